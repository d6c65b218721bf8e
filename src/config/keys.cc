#include "config/keys.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "base/instant.h"
#include "model/names.h"

namespace weir::config {
namespace {

/// Enough for anybody to see what is wrong with one document.
constexpr size_t kMostFaults = 1000;

std::string_view kind_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull: return "nothing";
    case Node::Kind::kList: return "a list";
    case Node::Kind::kMap: return "a map";
    case Node::Kind::kScalar: break;
  }
  return "a text";
}

std::string shown(const Node& node) {
  constexpr size_t kLongest = 60;
  if (!node.is_scalar() || node.text.size() > kLongest) return std::string(kind_text(node));
  return fmt::format("'{}'", node.text);
}

bool read_integer(Reader& reader, const Node& node, std::pair<int64_t, int64_t> range,
                  int64_t& value) {
  const auto [least, greatest] = range;
  const std::string wanted = greatest == std::numeric_limits<int64_t>::max()
                                 ? fmt::format("a whole number, {} or more", least)
                                 : fmt::format("a whole number from {} to {}", least, greatest);
  Faults faults;
  const Json number = node.is_scalar() && node.is_plain ? json_of(node, faults) : Json();
  if (!number.is_number_integer() || number.is_number_unsigned()) {
    reader.wrong_type(node, wanted);
    return false;
  }
  if (number > greatest || number < least) {
    reader.wrong_type(node, wanted);
    return false;
  }
  value = number.get<int64_t>();
  return true;
}

Json integer_schema(int64_t least, int64_t greatest) {
  Json schema = {{"type", "integer"}, {"minimum", least}};
  if (greatest != std::numeric_limits<int64_t>::max()) schema["maximum"] = greatest;
  return schema;
}

Node number_node(int64_t value) { return node_of(Json(value)); }

}  // namespace

std::string Reader::where() const {
  // Named things from the innermost outwards, then the keys below the innermost.
  std::string things;
  std::string keys;
  for (const auto& scope : scopes_) {
    if (scope.empty()) continue;
    if (scope.starts_with('\'')) {
      keys += (keys.empty() ? "" : ": ") + scope;
    } else {
      things = things.empty() ? scope : scope + " of " + things;
      keys.clear();
    }
  }
  return things.empty() || keys.empty() ? things + keys : things + ": " + keys;
}

void Reader::fault(const Node& at, std::string message, std::string hint) {
  if (faults.size() >= kMostFaults) return;
  const std::string path = where();
  if (!path.empty()) message = path + ": " + message;
  faults.push_back(
      Error{ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), place_of(at)});
}

void Reader::fault(const Node& at, const Error& error) { fault(at, error.message, error.hint); }

void Reader::wrong_type(const Node& at, std::string_view wanted, std::string hint) {
  if (faults.size() >= kMostFaults) return;
  const std::string path = where();
  faults.push_back(Error{
      ErrorCode::kInvalidConfig,
      fmt::format("{} takes {}, not {}", path.empty() ? "the document" : path, wanted, shown(at)),
      {},
      std::move(hint),
      place_of(at)});
}

Codec<std::string> text() {
  return {[](Reader& reader, const Node& node, std::string& value) {
            if (!node.is_scalar())
              reader.wrong_type(node, "a text");
            else
              value = node.text;
          },
          [](const std::string& value) { return text_node(value); },
          [] { return Json{{"type", Json::array({"string", "number"})}}; }};
}

Codec<std::string> name(std::string what) {
  Codec<std::string> codec = text();
  codec.read = [plain = codec.read, what = std::move(what)](Reader& reader, const Node& node,
                                                            std::string& value) {
    plain(reader, node, value);
    if (!node.is_scalar()) return;
    const Status status = model::check_name(value, what);
    if (!status) reader.fault(node, status.error());
  };
  return codec;
}

Codec<bool> boolean() {
  return {[](Reader& reader, const Node& node, bool& value) {
            Faults faults;
            const Json json = json_of(node, faults);
            if (!json.is_boolean())
              reader.wrong_type(node, "true or false");
            else
              value = json.get<bool>();
          },
          [](const bool& value) { return node_of(Json(value)); },
          [] { return Json{{"type", "boolean"}}; }};
}

Codec<int64_t> integer(int64_t least, int64_t greatest) {
  return {[=](Reader& reader, const Node& node, int64_t& value) {
            read_integer(reader, node, {least, greatest}, value);
          },
          [](const int64_t& value) { return number_node(value); },
          [=] { return integer_schema(least, greatest); }};
}

Codec<std::optional<int64_t>> optional_integer(int64_t least, int64_t greatest) {
  return {[=](Reader& reader, const Node& node, std::optional<int64_t>& value) {
            int64_t number = 0;
            if (read_integer(reader, node, {least, greatest}, number)) value = number;
          },
          [](const std::optional<int64_t>& value) { return value ? number_node(*value) : Node{}; },
          [=] { return integer_schema(least, greatest); }};
}

Codec<std::optional<int64_t>> optional_duration() {
  return {[](Reader& reader, const Node& node, std::optional<int64_t>& value) {
            if (!node.is_scalar()) {
              reader.wrong_type(node, "a duration");
              return;
            }
            const auto read = parse_duration_ms(node.text);
            if (!read)
              reader.fault(node, read.error());
            else
              value = *read;
          },
          [](const std::optional<int64_t>& value) {
            return value ? text_node(format_duration_ms(*value)) : Node{};
          },
          [] { return Json{{"type", "string"}, {"pattern", "^([0-9]+(ms|d|h|m|s))+$"}}; }};
}

Codec<std::vector<std::string>> texts() {
  return {[](Reader& reader, const Node& node, std::vector<std::string>& list) {
            if (node.is_scalar()) {
              list.push_back(node.text);
              return;
            }
            if (!node.is_list()) {
              reader.wrong_type(node, "a list of names");
              return;
            }
            for (const auto& item : node.items) {
              if (!item.is_scalar())
                reader.wrong_type(item, "a list of names");
              else
                list.push_back(item.text);
            }
          },
          [](const std::vector<std::string>& list) {
            Node node = list_node();
            for (const auto& value : list) node.items.push_back(text_node(value));
            return node;
          },
          [] {
            const Json one = {{"type", "string"}};
            return Json{{"oneOf", Json::array({one, Json{{"type", "array"}, {"items", one}}})}};
          }};
}

Codec<Json> json_map() {
  return {[](Reader& reader, const Node& node, Json& value) {
            if (!node.is_map())
              reader.wrong_type(node, "a map of keys and values");
            else
              value = json_of(node, reader.faults);
          },
          [](const Json& value) { return node_of(value); },
          [] { return Json{{"type", "object"}}; }};
}

Codec<Json> json_value() {
  return {
      [](Reader& reader, const Node& node, Json& value) { value = json_of(node, reader.faults); },
      [](const Json& value) { return node_of(value); }, [] { return Json::object(); }};
}

Codec<std::string> choice(std::vector<std::string> words) {
  return {[words](Reader& reader, const Node& node, std::string& value) {
            if (!node.is_scalar()) {
              reader.wrong_type(node, "a word");
              return;
            }
            if (std::ranges::find(words, node.text) == words.end()) {
              reader.wrong_type(node, fmt::format("{}", fmt::join(words, " | ")),
                                did_you_mean(node.text, words));
              return;
            }
            value = node.text;
          },
          [](const std::string& value) { return text_node(value); },
          [words] { return Json{{"type", "string"}, {"enum", words}}; }};
}

}  // namespace weir::config
