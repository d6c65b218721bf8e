#include "config/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "config/yaml_scalar.h"

namespace weir::config {
namespace {

using ::testing::HasSubstr;

Json json_of_text(const std::string& text) {
  const auto documents = parse_yaml(text, "a.yaml");
  EXPECT_TRUE(documents) << (documents ? "" : to_terminal(documents.error().front()));
  if (!documents || documents->size() != 1) return "no single document";
  Faults faults;
  Json json = json_of(documents->front(), faults);
  EXPECT_TRUE(faults.empty());
  return json;
}

Error only_fault(const std::string& text, const YamlLimits& limits = {}) {
  const auto documents = parse_yaml(text, "a.yaml", limits);
  EXPECT_FALSE(documents);
  if (documents) return {};
  EXPECT_EQ(documents.error().size(), 1U);
  EXPECT_EQ(documents.error().front().code, ErrorCode::kInvalidConfig);
  return documents.error().front();
}

TEST(Yaml, PlainWordsAreTypedByYaml12) {
  EXPECT_EQ(json_of_text("[1, -2, 0x1f, 0o17, 1.5, 1e3, .5, true, False, null, ~, '']"),
            Json::parse("[1, -2, 31, 15, 1.5, 1000.0, 0.5, true, false, null, null, \"\"]"));
  EXPECT_EQ(json_of_text("[no, yes, on, 007, 1_000, 12:30, 2022-05-12, '1', \"true\"]"),
            Json::parse(R"(["no","yes","on","007","1_000","12:30","2022-05-12","1","true"])"));
}

TEST(Yaml, NumbersThatDoNotFitAreFaults) {
  for (const char* text :
       {"a: 1e999", "a: 99999999999999999999", "a: .inf", "a: -.INF", "a: .nan"}) {
    const auto documents = parse_yaml(text, "a.yaml");
    ASSERT_TRUE(documents);
    Faults faults;
    json_of(documents->front(), faults);
    ASSERT_EQ(faults.size(), 1U) << text;
    EXPECT_EQ(faults.front().place->column, 4);
  }
}

TEST(Yaml, NullIsAKeyLikeAnyOther) {
  EXPECT_EQ(json_of_text("{null: [''], ~: 1}"), Json::parse(R"({"null":[""],"~":1})"));
  EXPECT_EQ(json_of_text("null: 1\n"), Json::parse(R"({"null":1})"));
}

TEST(Yaml, SyntaxFaultsHaveLineAndColumn) {
  const Error fault = only_fault("a: 1\nb: [1, 2\nc: 3\n");
  EXPECT_THAT(fault.message, HasSubstr("no valid YAML"));
  ASSERT_TRUE(fault.place);
  EXPECT_EQ(fault.place->file, "a.yaml");
  EXPECT_EQ(fault.place->line, 3);
  EXPECT_EQ(only_fault("a: b: c\n").place->line, 1);
  EXPECT_EQ(only_fault("a: 1\n\tb: 2\n").place->line, 2);
  EXPECT_EQ(only_fault("a: 'never closed\n").place->line, 1);
}

TEST(Yaml, AKeyThatStandsTwiceNamesBothLines) {
  const Error fault = only_fault("name: a\nuri: b\nname: c\n");
  EXPECT_EQ(fault.message, "key 'name' stands twice");
  EXPECT_EQ(fault.hint, "the first stands in line 1");
  EXPECT_EQ(fault.place->line, 3);
  EXPECT_EQ(fault.place->column, 1);
  EXPECT_EQ(fault.place->length, 4);
  EXPECT_EQ(fault.place->text, "name: c");
}

TEST(Yaml, AnchorsAliasesAndMergeKeysAreTaken) {
  EXPECT_EQ(json_of_text("base: &b {x: 1, y: 2}\nsame: *b\nmore: {<<: *b, y: 3}\n"),
            Json::parse(R"({"base":{"x":1,"y":2},"same":{"x":1,"y":2},"more":{"x":1,"y":3}})"));
}

TEST(Yaml, AliasesThatGrowWithoutEndAreRefused) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c <= 'i'; ++c) {
    const std::string before(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += (i > 0 ? ", *" : "*") + before;
    bomb += "]\n";
  }
  EXPECT_THAT(only_fault(bomb).message, HasSubstr("more than 400000 values"));
}

TEST(Yaml, NestingAndSizeHaveLimits) {
  EXPECT_THAT(only_fault(std::string(65, '[') + std::string(65, ']')).message,
              HasSubstr("nested deeper than 64"));
  EXPECT_THAT(only_fault(std::string(200'000, '[')).message, HasSubstr("nested deeper than 64"));
  EXPECT_THAT(only_fault("a: 1\n", {.bytes = 3}).message, HasSubstr("larger than 3 bytes"));
  // An alias does not get around the depth.
  EXPECT_THAT(only_fault("a: &a [[[1]]]\nb: [[*a]]\n", {.depth = 5}).message,
              HasSubstr("nested deeper than 5"));
}

TEST(Yaml, AVeryLongLineTakesNoLongerThanManyShortOnes) {
  std::string line = "a: [";
  for (int i = 0; i < 150'000; ++i) line += "'x y', ";
  const auto documents = parse_yaml(line + "z]\n", "a.yaml");
  ASSERT_TRUE(documents);
  const Node& last = documents->front().find("a")->items.back();
  EXPECT_EQ(last.column, 4 + 150'000 * 7 + 1);
  EXPECT_EQ(place_of(last).text, "") << "nobody reads such a line on a terminal";
}

TEST(Yaml, AStrayMarkEndsWhereItStands) {
  for (const char* text : {",a", "]", "a: 1\n---\n}", "[1], 2"}) {
    const Error fault = only_fault(text);
    EXPECT_THAT(fault.message, HasSubstr("no valid YAML")) << text;
  }
  EXPECT_EQ(only_fault("a: 1\n---\n}").place->line, 3);
}

TEST(Yaml, AnyBytesGiveDocumentsOrFaults) {
  const std::vector<std::string> parts = {
      "a",     ": ", "\n", "\n  ",   "- ",    "[",     "]",    "{",  "}",
      ",",     "'",  "\"", "\\",     "&a ",   "*a",    "<<: ", "|",  ">",
      "|-\n ", "? ", "! ", "!!str ", "---\n", "...\n", "#",    " #", "%YAML 1.2\n",
      "~",     "\t", "ü",  "\xff",   "@",     "`",     "1",    ":"};
  EXPECT_TRUE(rc::check([&] {
    std::string text;
    for (const auto& part :
         *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(parts)))
      text += part;
    const auto documents = parse_yaml(text, "a.yaml");
    if (documents) return;
    RC_ASSERT(!documents.error().empty());
    for (const auto& fault : documents.error()) RC_ASSERT(!to_terminal(fault).empty());
  }));
}

TEST(Yaml, BytesThatAreNoTextAreRefused) {
  EXPECT_THAT(only_fault("a: \xff\n").message, HasSubstr("no UTF-8"));
  EXPECT_THAT(only_fault(std::string("a: ") + '\0' + "b\n").message,
              HasSubstr("control character 0x00"));
  EXPECT_THAT(only_fault("\xff\xfe"
                         "a\0")
                  .message,
              HasSubstr("no UTF-8"));
  EXPECT_EQ(json_of_text("\xef\xbb\xbf"
                         "a: 1\n"),
            Json::parse(R"({"a":1})"));
}

TEST(Yaml, TagsAreRefused) {
  EXPECT_THAT(only_fault("a: !!binary aGk=\n").message, HasSubstr("tag"));
  EXPECT_EQ(json_of_text("a: !!str 5\n"), Json::parse(R"({"a":"5"})"));
}

TEST(Yaml, PlacesCountCharacters) {
  const auto documents = parse_yaml("# z\n{\"größe\": [ü, x y]}\n", "a.yaml");
  ASSERT_TRUE(documents);
  const Node* list = documents->front().find("größe");
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(list->items[1].line, 2);
  EXPECT_EQ(list->items[1].column, 15);
  EXPECT_EQ(list->items[1].length, 3);
}

TEST(Yaml, SeveralDocumentsOfAFileAreAllRead) {
  const auto documents = parse_yaml("---\na: 1\n---\n---\nb: 2\n...\n", "a.yaml");
  ASSERT_TRUE(documents);
  ASSERT_EQ(documents->size(), 2U);
  EXPECT_EQ(documents->back().entries[0].key.line, 5);
}

TEST(Yaml, WritesWhatPeopleLikeToRead) {
  Node project = map_node();
  project.comment = "A project.";
  project.set("name", text_node("raw"));
  project.set("pattern", text_node(R"(airports-(?<as_of>\d{8}))"));
  project.set("no", text_node("no"));
  project.set("retries", node_of(2));
  project.set("list", node_of(Json::parse(R"([{"name":"raw","uri":"data/raw"},{"name":"it's"}])")))
      .layout = Node::Layout::kBlock;
  project.set("sql", text_node("SELECT 1\n  FROM x\n")).comment = "What it does.";
  project.set("map", node_of(Json::parse(R"({"a": [1, 2.5, null, true], "b": {}})")));
  EXPECT_EQ(write_yaml(project), R"(# A project.
name: raw
pattern: 'airports-(?<as_of>\d{8})'
'no': 'no'
retries: 2
list:
  - {name: raw, uri: data/raw}
  - {name: "it's"}
# What it does.
sql: |
  SELECT 1
    FROM x
map: {a: [1, 2.5, null, true], b: {}}
)");
}

/// Texts made of what YAML finds hard.
rc::Gen<std::string> hard_text() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(
                          rc::gen::elementOf(std::vector<std::string>{"a",
                                                                      "B",
                                                                      "0",
                                                                      "1",
                                                                      "-",
                                                                      "+",
                                                                      ".",
                                                                      ":",
                                                                      ": ",
                                                                      " #",
                                                                      "#",
                                                                      ",",
                                                                      "[",
                                                                      "]",
                                                                      "{",
                                                                      "}",
                                                                      "&",
                                                                      "*",
                                                                      "!",
                                                                      "|",
                                                                      ">",
                                                                      "'",
                                                                      "\"",
                                                                      "%",
                                                                      "@",
                                                                      "`",
                                                                      "?",
                                                                      "\\",
                                                                      " ",
                                                                      "  ",
                                                                      "\n",
                                                                      "\n\n",
                                                                      "\t",
                                                                      "\r",
                                                                      "~",
                                                                      "null",
                                                                      "true",
                                                                      "no",
                                                                      "e5",
                                                                      "0x",
                                                                      "---",
                                                                      "...",
                                                                      "\n---\n",
                                                                      "<<",
                                                                      "=",
                                                                      "ü",
                                                                      "日本",
                                                                      "🦆",
                                                                      "\xc2\x85",
                                                                      "\xe2\x80\xa8",
                                                                      "\xef\xbb\xbf",
                                                                      "\x01",
                                                                      "\x7f",
                                                                      "\xc2\xa0",
                                                                      "$",
                                                                      "${A}",
                                                                      "SELECT"})),
                      [](const std::vector<std::string>& parts) {
                        std::string text;
                        for (const auto& part : parts) text += part;
                        return text;
                      });
}

Json random_json(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 7 : 5)) {
    case 0: return *hard_text();
    case 1: return *rc::gen::arbitrary<int64_t>();
    case 2: return *rc::gen::arbitrary<double>();
    case 3: return *rc::gen::arbitrary<bool>();
    case 4: return nullptr;
    case 5: {
      Json list = Json::array();
      const int size = *rc::gen::inRange(0, 4);
      for (int i = 0; i < size; ++i) list.push_back(random_json(depth - 1));
      return list;
    }
    default: break;
  }
  Json map = Json::object();
  const int size = *rc::gen::inRange(0, 4);
  for (int i = 0; i < size; ++i) {
    const std::string key = *hard_text();
    if (key != "<<") map[key] = random_json(depth - 1);
  }
  return map;
}

TEST(Yaml, WhatIsWrittenReadsBackEqual) {
  EXPECT_TRUE(rc::check([] {
    Json value = Json::object();
    for (int i = 0; i < 20; ++i) value["x"].push_back(random_json(4));
    const std::string text = write_yaml(node_of(value));
    const auto documents = parse_yaml(text, "a.yaml");
    if (!documents) RC_FAIL(to_terminal(documents.error().front()) + text);
    Faults faults;
    RC_ASSERT(documents->size() == 1U);
    const Json back = json_of(documents->front(), faults);
    RC_ASSERT(faults.empty());
    if (dump_json(back) != dump_json(value))
      RC_FAIL(text + "\n" + dump_json(value) + "\n" + dump_json(back));
  }));
}

TEST(Yaml, TextsThatLookLikeSomethingElseReadBackAsTexts) {
  const Json value = {
      {"x", {"0x1f", "0o17",       "1e5",  ".5",   "5.",  "+1",  "-0",   "1_000", "007",
             "~",    "-",          "null", "True", "no",  "<<",  "=",    "",      " ",
             "a ",   "2022-05-12", ".inf", ".NaN", "? a", "- a", "a: b", "a #b",  "%a",
             "@a",   "`a",         "---",  "...",  "|",   ">",   "&a",   "*a"}}};
  const auto documents = parse_yaml(write_yaml(node_of(value)), "a.yaml");
  ASSERT_TRUE(documents);
  Faults faults;
  EXPECT_EQ(json_of(documents->front(), faults), value);
}

TEST(Yaml, LongKeysReadBackToo) {
  Json value = {{std::string(2000, 'k'), {{"a", 1}}},
                {"b", Json::array({Json{{std::string(1500, 'x'), 1}}})}};
  const auto documents = parse_yaml(write_yaml(node_of(value)), "a.yaml");
  ASSERT_TRUE(documents) << to_terminal(documents.error().front());
  Faults faults;
  EXPECT_EQ(json_of(documents->front(), faults), value);
}

TEST(AsOne, CarriesTheFirstAndListsTheOthers) {
  const auto fault = [](std::string message, int64_t line) {
    return Error{
        ErrorCode::kInvalidConfig, std::move(message), {}, {}, Place{"a.yaml", line, 1, {}, 1}};
  };
  const Error one = as_one({fault("first", 1), fault("second", 2), fault("third", 3)});
  EXPECT_EQ(one.message, "first");
  EXPECT_EQ(one.hint, "2 more: second (a.yaml:2); third (a.yaml:3)");
}

}  // namespace
}  // namespace weir::config
