#include "config/yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include <fmt/ranges.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/check.h"
#include "config/yaml_scalar.h"

namespace weir::config {
namespace {

/// Ends a parse from inside yaml-cpp; never leaves parse_yaml.
struct Refused {
  Error error;
};

/// Characters (not bytes) of UTF-8.
int64_t characters(std::string_view text) {
  return std::ranges::count_if(text,
                               [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; });
}

std::shared_ptr<const Source> make_source(std::string_view text, const std::string& file) {
  auto source = std::make_shared<Source>();
  source->file = file;
  while (true) {
    const auto end = text.find('\n');
    std::string line(text.substr(0, end));
    if (line.ends_with('\r')) line.pop_back();
    source->lines.push_back(std::move(line));
    if (end == std::string_view::npos) return source;
    text.remove_prefix(end + 1);
  }
}

Error fault_at(const Node& node, std::string message, std::string hint = {}) {
  return Error{ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), place_of(node)};
}

size_t count_nodes(const Node& node) {
  size_t count = 1;
  for (const auto& item : node.items) count += count_nodes(item);
  for (const auto& entry : node.entries) count += 1 + count_nodes(entry.value);
  return count;
}

int depth_of(const Node& node) {
  int depth = 0;
  for (const auto& item : node.items) depth = std::max(depth, depth_of(item));
  for (const auto& entry : node.entries) depth = std::max(depth, depth_of(entry.value));
  return depth + (node.is_list() || node.is_map() ? 1 : 0);
}

/// Builds nodes from yaml-cpp's events, which (unlike its Node) tell quoted from plain scalars and
/// show a key that stands twice.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const Source> source, const YamlLimits& limits)
      : source_(std::move(source)), limits_(limits) {}

  std::vector<Node> documents;
  Faults faults;

  void OnDocumentStart(const YAML::Mark& mark) override {
    anchors_.clear();
    // Before a stray ',' or ']' yaml-cpp gives empty documents for ever.
    if (mark.line == document_.line && mark.column == document_.column)
      throw Refused{fault_at(start(mark), "no valid YAML: this has no meaning here")};
    document_ = {mark.line, mark.column};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node = start(mark);
    // A key is a name, also where it is spelled `null` or `~`.
    if (is_key_next()) {
      node.kind = Node::Kind::kScalar;
      node.text = null_text();
    }
    finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      throw Refused{fault_at(start(mark), "an alias stands inside its own anchor")};
    count(mark, count_nodes(found->second));
    if (static_cast<int>(open_.size()) + depth_of(found->second) > limits_.depth)
      refuse_depth(mark);
    add(found->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node = start(mark);
    node.kind = Node::Kind::kScalar;
    node.text = value;
    node.is_plain = tag == "?";
    check_tag(node, tag);
    check_closed(node);
    node.length = length_of(node);
    finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, Node::Kind::kList);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    open(mark, tag, anchor, Node::Kind::kMap);
  }
  void OnMapEnd() override {
    merge(open_.back().node);
    close();
  }

 private:
  struct Open {
    Node node;
    YAML::anchor_t anchor;
    std::optional<Node> key;
    std::map<std::string, int64_t> seen;  ///< Key → its line.
  };

  Node start(const YAML::Mark& mark) {
    Node node;
    node.source = source_;
    node.line = mark.line + 1;
    node.column = column_of(node.line, static_cast<size_t>(std::max(0, mark.column)));
    count(mark, 0);
    return node;
  }

  /// Marks come in order, so a line is counted through once, however long it is.
  int64_t column_of(int64_t line, size_t byte) {
    const std::string_view text = line_text(line);
    byte = std::min(byte, text.size());
    if (line != last_.line || byte < last_.byte) last_ = {line, 0, 1};
    last_.column += characters(text.substr(last_.byte, byte - last_.byte));
    last_.byte = byte;
    return last_.column;
  }

  std::string_view line_text(int64_t line) const {
    const auto index = static_cast<size_t>(line - 1);
    return index < source_->lines.size() ? std::string_view(source_->lines[index]) : "";
  }
  /// The rest of the line from the node that start() just made.
  std::string_view rest_of_line() const { return line_text(last_.line).substr(last_.byte); }

  void count(const YAML::Mark& mark, size_t more) {
    nodes_ += 1 + more;
    if (nodes_ <= limits_.nodes) return;
    Node node;
    node.source = source_;
    node.line = mark.line + 1;
    throw Refused{fault_at(node, fmt::format("more than {} values in one file", limits_.nodes),
                           "split the file, and count what its aliases copy")};
  }

  void refuse_depth(const YAML::Mark& mark) {
    throw Refused{
        fault_at(start(mark), fmt::format("nested deeper than {} levels", limits_.depth))};
  }

  bool is_key_next() const {
    return !open_.empty() && open_.back().node.is_map() && !open_.back().key;
  }

  std::string null_text() const {
    std::string text;
    for (const char c : rest_of_line()) {
      if (c != '~' && !std::isalpha(static_cast<unsigned char>(c))) break;
      text += c;
    }
    return text;
  }

  /// How much of the first line the scalar takes, quotes included.
  int64_t length_of(const Node& node) const {
    const size_t wanted = node.text.size() + (node.is_plain ? 0 : 2);
    return std::max<int64_t>(1, characters(rest_of_line().substr(0, wanted)));
  }

  /// yaml-cpp takes a quoted text that the end of the file cuts off, if a line ends before it.
  void check_closed(const Node& node) const {
    const std::string_view rest = rest_of_line();
    if (rest.empty() || (rest.front() != '\'' && rest.front() != '"') || node.is_plain) return;
    if (is_quote_closed(node.line, rest)) return;
    throw Refused{fault_at(node, "no valid YAML: a quoted text never ends")};
  }

  bool is_quote_closed(int64_t line, std::string_view rest) const {
    const char quote = rest.front();
    rest.remove_prefix(1);
    while (true) {
      for (size_t i = 0; i < rest.size(); ++i) {
        const bool is_escape = quote == '"' && rest[i] == '\\';
        const bool is_doubled = quote == '\'' && rest.substr(i).starts_with("''");
        if (is_escape || is_doubled)
          ++i;
        else if (rest[i] == quote)
          return true;
      }
      if (static_cast<size_t>(line) >= source_->lines.size()) return false;
      rest = source_->lines[static_cast<size_t>(line++)];
    }
  }

  void check_tag(const Node& node, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str") return;
    faults.push_back(
        fault_at(node, fmt::format("tag '{}' is not taken", tag), "leave the tag out"));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            Node::Kind kind) {
    Node node = start(mark);
    node.kind = kind;
    check_tag(node, tag);
    if (static_cast<int>(open_.size()) >= limits_.depth) refuse_depth(mark);
    open_.push_back({std::move(node), anchor, std::nullopt, {}});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    finish(std::move(done.node), done.anchor);
  }

  void finish(Node node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    add(std::move(node));
  }

  void add(Node node) {
    if (open_.empty()) {
      if (!node.is_null()) documents.push_back(std::move(node));
      return;
    }
    Open& parent = open_.back();
    if (parent.node.is_list()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = as_key(std::move(node));
    } else {
      add_entry(parent, std::move(node));
    }
  }

  Node as_key(Node node) {
    if (node.is_scalar()) return node;
    faults.push_back(fault_at(node, "a key must be a single word or text"));
    node.kind = Node::Kind::kScalar;
    return node;
  }

  void add_entry(Open& parent, Node value) {
    Node key = *std::exchange(parent.key, std::nullopt);
    const auto [seen, is_new] = parent.seen.emplace(key.text, key.line);
    if (!is_new)
      faults.push_back(fault_at(key, fmt::format("key '{}' stands twice", key.text),
                                fmt::format("the first stands in line {}", seen->second)));
    else
      parent.node.entries.push_back({std::move(key), std::move(value)});
  }

  /// `<<: *base` or `<<: [*a, *b]`: keys of the bases that the map does not say itself.
  void merge(Node& map) {
    const auto found = std::ranges::find_if(map.entries, [](const Node::Entry& entry) {
      return entry.key.is_plain && entry.key.text == "<<";
    });
    if (found == map.entries.end()) return;
    const Node bases = std::move(found->value);
    map.entries.erase(found);
    std::vector<const Node*> maps;
    for (const auto& item : bases.items) maps.push_back(&item);
    if (!bases.is_list()) maps.push_back(&bases);
    for (const Node* base : maps) {
      if (!base->is_map()) faults.push_back(fault_at(bases, "'<<' takes a map or a list of maps"));
      for (const auto& entry : base->entries)
        if (map.find(entry.key.text) == nullptr) map.entries.push_back(entry);
    }
  }

  std::shared_ptr<const Source> source_;
  YamlLimits limits_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t nodes_ = 0;
  struct {
    int line = -1;
    int column = -1;
  } document_;  ///< Where the last document began.
  struct {
    int64_t line = 0;
    size_t byte = 0;
    int64_t column = 1;
  } last_;  ///< Where the last mark stood.
};

Error at_line(const std::shared_ptr<const Source>& source, int64_t line, int64_t column,
              std::string message) {
  Node node;
  node.source = source;
  node.line = std::clamp<int64_t>(line, 1, static_cast<int64_t>(source->lines.size()));
  node.column = std::max<int64_t>(1, column);
  return fault_at(node, std::move(message));
}

/// yaml-cpp silently replaces what is no UTF-8 and would take UTF-16: both are refused here.
std::optional<Error> check_bytes(const std::shared_ptr<const Source>& source) {
  for (size_t i = 0; i < source->lines.size(); ++i) {
    const std::string& line = source->lines[i];
    const auto line_number = static_cast<int64_t>(i + 1);
    if (const auto bad = first_invalid_utf8(line))
      return at_line(source, line_number, static_cast<int64_t>(*bad) + 1,
                     "bytes that are no UTF-8");
    const auto control = std::ranges::find_if(
        line, [](char c) { return (static_cast<uint8_t>(c) < 0x20 && c != '\t') || c == '\x7f'; });
    if (control != line.end())
      return at_line(source, line_number, control - line.begin() + 1,
                     fmt::format("control character 0x{:02x}", static_cast<uint8_t>(*control)));
  }
  return std::nullopt;
}

void add_json_entry(const Node::Entry& entry, Json& object, Faults& faults) {
  object[entry.key.text] = json_of(entry.value, faults);
}

}  // namespace

Error as_one(const Faults& faults) {
  WEIR_CHECK(!faults.empty());
  Error error = faults.front();
  if (faults.size() == 1) return error;
  constexpr size_t kMostListed = 20;
  std::string others = fmt::format("{} more:", faults.size() - 1);
  for (size_t i = 1; i < faults.size() && i <= kMostListed; ++i) {
    const Error& other = faults[i];
    std::string at;
    if (other.place && other.place->line > 0)
      at = fmt::format(" ({}:{})", other.place->file, other.place->line);
    others += fmt::format("{} {}{}", i == 1 ? "" : ";", other.message, at);
  }
  error.hint = error.hint.empty() ? others : error.hint + "; " + others;
  return error;
}

const Node* Node::find(std::string_view key) const {
  for (const auto& entry : entries)
    if (entry.key.text == key) return &entry.value;
  return nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

Node& Node::set(std::string key, Node value) {
  kind = Kind::kMap;
  entries.push_back({text_node(std::move(key)), std::move(value)});
  return entries.back().value;
}

Place place_of(const Node& node) {
  Place place;
  if (!node.source) return place;
  place.file = node.source->file;
  place.line = node.line;
  place.column = node.column;
  place.length = node.length;
  const auto index = static_cast<size_t>(node.line - 1);
  // A line that no terminal shows whole helps nobody.
  constexpr size_t kLongestShown = 500;
  if (node.line > 0 && index < node.source->lines.size() &&
      node.source->lines[index].size() <= kLongestShown)
    place.text = node.source->lines[index];
  return place;
}

Node text_node(std::string text) {
  Node node;
  node.kind = Node::Kind::kScalar;
  node.text = std::move(text);
  return node;
}

Node list_node(std::vector<Node> items) {
  Node node;
  node.kind = Node::Kind::kList;
  node.items = std::move(items);
  return node;
}

Node map_node() {
  Node node;
  node.kind = Node::Kind::kMap;
  return node;
}

Checked<std::vector<Node>> parse_yaml(std::string_view text, const std::string& file,
                                      const YamlLimits& limits) {
  if (text.size() > limits.bytes)
    return std::unexpected(
        Faults{Error{ErrorCode::kInvalidConfig,
                     fmt::format("file is larger than {} bytes ({})", limits.bytes, text.size()),
                     {},
                     "split it into several files",
                     Place{file, 0, 0, {}, 1}}});
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const auto source = make_source(text, file);
  if (auto bad = check_bytes(source)) return std::unexpected(Faults{*std::move(bad)});
  TreeBuilder builder(source, limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (Refused& refused) {
    return std::unexpected(Faults{std::move(refused.error)});
  } catch (const YAML::Exception& problem) {
    return std::unexpected(Faults{at_line(source, problem.mark.line + 1, problem.mark.column + 1,
                                          fmt::format("no valid YAML: {}", problem.msg))});
  } catch (const std::exception& problem) {
    return std::unexpected(
        Faults{at_line(source, 1, 1, fmt::format("no valid YAML: {}", problem.what()))});
  }
  if (!builder.faults.empty()) return std::unexpected(std::move(builder.faults));
  return std::move(builder.documents);
}

Json json_of(const Node& node, Faults& faults) {
  switch (node.kind) {
    case Node::Kind::kNull: return nullptr;
    case Node::Kind::kScalar: {
      if (!node.is_plain) return node.text;
      auto value = plain_scalar(node.text);
      if (value) return *std::move(value);
      faults.push_back(fault_at(node, value.error().message, value.error().hint));
      return nullptr;
    }
    case Node::Kind::kList: {
      Json list = Json::array();
      for (const auto& item : node.items) list.push_back(json_of(item, faults));
      return list;
    }
    case Node::Kind::kMap: break;
  }
  Json object = Json::object();
  for (const auto& entry : node.entries) add_json_entry(entry, object, faults);
  return object;
}

Node node_of(const Json& value) {
  if (value.is_object()) {
    Node map = map_node();
    for (const auto& [key, item] : value.items()) map.set(key, node_of(item));
    return map;
  }
  if (value.is_array()) {
    Node list = list_node();
    for (const auto& item : value) list.items.push_back(node_of(item));
    return list;
  }
  if (value.is_null()) return {};
  if (value.is_string()) return text_node(value.get<std::string>());
  Node number = text_node(dump_json(value));
  number.is_plain = true;
  return number;
}

}  // namespace weir::config
