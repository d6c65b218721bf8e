// Scanner and splitter against the grammar's oracle, on texts made of the characters that matter.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>

#include <gmock/gmock.h>

#include "files/grammar_oracle.h"

namespace weir::files {
namespace {

using ::testing::ElementsAre;

// All spans, fed in windows that end at random places.
std::vector<Span> scan(const Dialect& dialect, std::string_view text, std::mt19937* random) {
  RecordScanner scanner(dialect);
  std::vector<Span> spans;
  size_t from = 0;
  size_t to = random != nullptr ? 0 : text.size();
  while (true) {
    const bool is_last = to == text.size();
    const auto done = scanner.scan(text.substr(from, to - from), is_last, &spans);
    from += static_cast<size_t>(done);
    if (is_last) break;
    to = std::min(text.size(), to + 1 + (*random)() % 7);
  }
  EXPECT_EQ(from, text.size());
  return spans;
}

struct SplitRecord {
  std::string text;
  RecordFault fault;
  std::vector<std::string> fields;
};

std::vector<SplitRecord> split(const Dialect& dialect, std::string_view text,
                               std::mt19937* random) {
  using Found = RecordSplitter::Found;
  RecordSplitter splitter(dialect);
  std::vector<SplitRecord> list;
  size_t from = 0;
  size_t to = random != nullptr ? 0 : text.size();
  std::string window(text.substr(from, to));
  splitter.set_window(window, to == text.size());
  Record record;
  int64_t preamble = dialect.skip_lines;
  std::string buffer;
  while (true) {
    const Found found = preamble > 0 ? splitter.skip_line(record) : splitter.next(record);
    if (found == Found::kEnd) return list;
    if (found == Found::kSkipped && preamble > 0) --preamble;
    if (found == Found::kTooLong) return list;
    if (found == Found::kNeedMore) {
      from += splitter.position();
      to = std::min(text.size(), to + 1 + (*random)() % 7);
      window = text.substr(from, to - from);
      splitter.set_window(window, to == text.size());
      continue;
    }
    if (found != Found::kRecord) continue;
    SplitRecord out = {std::string(record.text), record.fault, {}};
    for (const Field& field : record.fields) {
      out.fields.emplace_back(splitter.field_text(record, field, buffer));
    }
    list.push_back(std::move(out));
  }
}

void compare(const Dialect& dialect, std::string_view text, std::mt19937* random) {
  const auto expected = GrammarOracle(dialect, text).records();
  std::vector<Span> spans;
  std::vector<OracleRecord> records;
  for (const auto& record : expected) {
    spans.push_back(record.span);
    if (record.span.kind == SpanKind::kRecord || record.span.kind == SpanKind::kHeader) {
      records.push_back(record);
    }
  }
  const auto scanned = scan(dialect, text, random);
  ASSERT_EQ(scanned.size(), spans.size());
  for (size_t i = 0; i < spans.size(); ++i) {
    EXPECT_EQ(scanned[i].kind, spans[i].kind) << i;
    EXPECT_EQ(scanned[i].offset, spans[i].offset) << i;
    EXPECT_EQ(scanned[i].length, spans[i].length) << i;
    EXPECT_EQ(scanned[i].line_end, spans[i].line_end) << i;
    EXPECT_EQ(scanned[i].line, spans[i].line) << i;
  }
  const auto found = split(dialect, text, random);
  ASSERT_EQ(found.size(), records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const auto& span = records[i].span;
    EXPECT_EQ(found[i].text,
              text.substr(static_cast<size_t>(span.offset), static_cast<size_t>(span.length)));
    EXPECT_EQ(found[i].fault, records[i].fault) << i;
    if (records[i].fault == RecordFault::kNone) {
      EXPECT_EQ(found[i].fields, records[i].fields) << i;
    }
  }
}

std::vector<std::string> fields_of(std::string_view text, const Dialect& dialect = {}) {
  const auto records = split(dialect, text, nullptr);
  EXPECT_EQ(records.size(), 1u);
  return records.empty() ? std::vector<std::string>() : records[0].fields;
}

TEST(RecordSplitter, QuotesDelimitersAndLineEndsWithinFieldsAreText) {
  EXPECT_THAT(fields_of("a,\"b,c\",\"d\"\"e\",\"f\ng\"\r\n"),
              ElementsAre("a", "b,c", "d\"e", "f\ng"));
  EXPECT_THAT(fields_of("a\"b,,\"\","), ElementsAre("a\"b", "", "", ""));
  Dialect backslash;
  backslash.escape = '\\';
  EXPECT_THAT(fields_of("\"a\\\"b\",\"c\\\\\"", backslash), ElementsAre("a\"b", "c\\"));
}

TEST(RecordSplitter, AnUnclosedQuoteCostsOneRecord) {
  const auto records = split({}, "1,\"open\n2,two\n3,\"closed\"\n", nullptr);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].fault, RecordFault::kUnclosedQuote);
  EXPECT_EQ(records[0].text, "1,\"open");
  EXPECT_THAT(records[1].fields, ElementsAre("2", "two"));
  EXPECT_THAT(records[2].fields, ElementsAre("3", "closed"));
}

TEST(RecordScanner, CountsRecordsAndSkipsWhatIsNone) {
  Dialect dialect;
  dialect.skip_lines = 1;
  dialect.comment = '#';
  RecordScanner scanner(dialect);
  std::vector<Span> spans;
  scanner.scan("made by hand\nid,name\n\n1,a\r\n# x\n2,\"b\n\"\n3,c", true, &spans);
  EXPECT_EQ(scanner.records(), 3);
  ASSERT_EQ(spans.size(), 7u);
  EXPECT_EQ(spans[5], (Span{SpanKind::kRecord, 6, 31, 6, 1}));
  EXPECT_EQ(spans[6].line, 8);
}

TEST(RecordScanner, ARecordBeyondTheLimitStopsTheScan) {
  Dialect dialect;
  dialect.has_header = false;
  dialect.max_record_bytes = 64;
  RecordScanner scanner(dialect);
  EXPECT_EQ(scanner.scan(std::string(100, 'x'), false), 0);
  EXPECT_EQ(scanner.records(), 0);
}

TEST(Grammar, ScannerAndSplitterKeepToTheOracleOnRandomText) {
  const int rounds = std::getenv("WEIR_LONG") != nullptr ? 2'000'000 : 60'000;
  std::vector<Dialect> dialects(6);
  dialects[1].escape = '\\';
  dialects[2].has_header = false;
  dialects[2].comment = '#';
  dialects[3].quote = dialects[3].escape = 0;
  dialects[4].ends_at_cr = true;
  dialects[5].skip_lines = 2;
  const std::string_view letters = "a,\"\n\r\\#\"\",\nb";
  for (int round = 0; round < rounds; ++round) {
    std::mt19937 random(static_cast<uint32_t>(round));
    std::string text;
    for (size_t size = random() % 40; size > 0; --size) text += letters[random() % letters.size()];
    // Now and then far enough apart for several blocks of the mask.
    if (round % 8 == 0) text.insert(text.size() / 2, std::string(random() % 200, 'x'));
    const Dialect& dialect = dialects[random() % dialects.size()];
    SCOPED_TRACE(fmt::format("seed {}: {}", round, testing::PrintToString(text)));
    compare(dialect, text, nullptr);
    compare(dialect, text, &random);
    if (testing::Test::HasFailure()) return;
  }
}

// Public files of all kinds: every byte belongs to exactly one span.
TEST(Grammar, EveryByteOfTheCorporaIsAccountedFor) {
  const char* given = std::getenv("WEIR_CORPORA");
  const char* source = std::getenv("WEIR_SOURCE");
  const std::filesystem::path root =
      given != nullptr
          ? given
          : std::filesystem::path(source == nullptr ? "." : source) / "../shared/corpora";
  if (!std::filesystem::exists(root / "csv-spectrum")) {
    GTEST_SKIP() << "no corpora at " << root << " (WEIR_CORPORA)";
  }
  int files = 0;
  for (const char* folder : {"csv-spectrum", "duckdb-csv"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || entry.path().extension() == ".gz") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      const std::string text((std::istreambuf_iterator<char>(in)),
                             std::istreambuf_iterator<char>());
      SCOPED_TRACE(entry.path().string());
      for (const char delimiter : {',', ';', '|', '\t'}) {
        Dialect dialect;
        dialect.delimiter = delimiter;
        compare(dialect, text, nullptr);
        int64_t at = 0;
        for (const Span& span : scan(dialect, text, nullptr)) {
          ASSERT_EQ(span.offset, at);
          at += span.length + span.line_end;
        }
        ASSERT_EQ(at, static_cast<int64_t>(text.size()));
      }
      if (testing::Test::HasFailure()) return;
      ++files;
    }
  }
  EXPECT_GT(files, 100);
}

}  // namespace
}  // namespace weir::files
