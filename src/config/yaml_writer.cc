#include <algorithm>

#include "config/yaml.h"
#include "config/yaml_scalar.h"

namespace weir::config {
namespace {

constexpr size_t kLineLength = 100;
/// yaml-cpp and others give up on longer keys unless they are marked with '?'.
constexpr size_t kLongestSimpleKey = 900;

std::string scalar_text(const Node& node) {
  if (node.is_null()) return "null";
  return node.is_plain ? node.text : quote_scalar(node.text);
}

bool is_collection(const Node& node) { return node.is_list() || node.is_map(); }
bool is_empty(const Node& node) { return node.items.empty() && node.entries.empty(); }

bool must_be_block(const Node& node) {
  if (!node.comment.empty() || (node.layout == Node::Layout::kBlock && !is_empty(node)))
    return true;
  if (node.is_scalar() && !node.is_plain && fits_literal_block(node.text)) return true;
  if (std::ranges::any_of(node.items, must_be_block)) return true;
  return std::ranges::any_of(node.entries, [](const Node::Entry& entry) {
    return must_be_block(entry.value) || entry.key.text.size() > kLongestSimpleKey;
  });
}

std::string flow_text(const Node& node) {
  if (!is_collection(node)) return scalar_text(node);
  std::string out;
  for (const auto& item : node.items) out += (out.empty() ? "" : ", ") + flow_text(item);
  for (const auto& entry : node.entries)
    out += (out.empty() ? "" : ", ") + quote_scalar(entry.key.text) + ": " + flow_text(entry.value);
  return node.is_map() ? "{" + out + "}" : "[" + out + "]";
}

class Writer {
 public:
  std::string text;

  /// The node where the cursor stands behind `key:` or `-`; `used` columns of the line are taken.
  void value(const Node& node, size_t indent, size_t used) {
    if (node.is_scalar() && !node.is_plain && fits_literal_block(node.text)) {
      literal(node.text, indent);
      return;
    }
    if (!is_collection(node) || is_empty(node)) {
      text += " " + flow_text(node) + "\n";
      return;
    }
    if (!must_be_block(node)) {
      const std::string flow = flow_text(node);
      if (used + 1 + flow.size() <= kLineLength) {
        text += " " + flow + "\n";
        return;
      }
    }
    text += "\n";
    block(node, indent);
  }

  void block(const Node& node, size_t indent) {
    for (const auto& entry : node.entries) pair(entry, indent);
    for (const auto& item : node.items) list_item(item, indent);
  }

  void comment(const std::string& words, size_t indent) {
    size_t start = 0;
    while (!words.empty() && start <= words.size()) {
      const size_t end = std::min(words.find('\n', start), words.size());
      const std::string line = words.substr(start, end - start);
      text += std::string(indent, ' ') + (line.empty() ? "#" : "# " + line) + "\n";
      start = end + 1;
    }
  }

 private:
  void pair(const Node::Entry& entry, size_t indent, bool is_first_of_item = false) {
    if (!is_first_of_item) {
      comment(entry.value.comment, indent);
      text += std::string(indent, ' ');
    }
    const std::string key = quote_scalar(entry.key.text);
    if (key.size() > kLongestSimpleKey)
      text += "? " + key + "\n" + std::string(indent, ' ') + ":";
    else
      text += key + ":";
    value(without_comment(entry.value), indent + 2, indent + key.size() + 1);
  }

  void list_item(const Node& item, size_t indent) {
    comment(item.comment, indent);
    text += std::string(indent, ' ') + "-";
    const Node bare = without_comment(item);
    if (bare.is_map() && !is_empty(bare)) {
      const std::string flow = must_be_block(bare) ? "" : flow_text(bare);
      if (!flow.empty() && indent + 2 + flow.size() <= kLineLength) {
        text += " " + flow + "\n";
        return;
      }
      if (bare.entries.front().value.comment.empty()) {
        text += " ";
        pair(bare.entries.front(), indent + 2, true);
        for (size_t i = 1; i < bare.entries.size(); ++i) pair(bare.entries[i], indent + 2);
        return;
      }
    }
    value(bare, indent + 2, indent + 1);
  }

  static Node without_comment(Node node) {
    node.comment.clear();
    return node;
  }

  void literal(const std::string& words, size_t indent) {
    text += words.ends_with('\n') ? " |\n" : " |-\n";
    size_t start = 0;
    while (start < words.size()) {
      const size_t end = std::min(words.find('\n', start), words.size());
      if (end > start) text += std::string(indent, ' ') + words.substr(start, end - start);
      text += "\n";
      start = end + 1;
    }
  }
};

}  // namespace

std::string write_yaml(const Node& node) {
  Writer writer;
  writer.comment(node.comment, 0);
  if (is_collection(node) && !is_empty(node))
    writer.block(node, 0);
  else
    writer.text += flow_text(node) + "\n";
  return std::move(writer.text);
}

}  // namespace weir::config
