#pragma once

/// YAML as a tree that remembers where each word stood, so that every fault can be shown in the
/// user's file; and the way back to text that a person likes to read. It knows YAML and its limits,
/// nothing of projects. Texts are YAML 1.2: `yes`, `no` and `on` are texts, so is `007`.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::config {

/// Faults in the order of the file: a user gets all of them at once.
using Faults = std::vector<Error>;
template <typename T>
using Checked = std::expected<T, Faults>;

/// One error for callers that carry one: the first, with the others counted and listed in its hint.
/// `faults` must not be empty.
Error as_one(const Faults& faults);

/// A file as the user gave it; nodes share it to show their line.
struct Source {
  std::string file;
  std::vector<std::string> lines;
};

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  enum class Layout { kAuto, kBlock };  ///< kAuto: on one line where it fits.
  struct Entry;

  Kind kind = Kind::kNull;
  std::string text;       ///< kScalar: without quotes.
  bool is_plain = false;  ///< A scalar without quotes: may be a number or a boolean.
  std::vector<Node> items;
  std::vector<Entry> entries;
  std::string comment;  ///< Written above the node (an item or an entry's value); not read.
  Layout layout = Layout::kAuto;

  std::shared_ptr<const Source> source;  // immutable, shared by all nodes of a file
  int64_t line = 0;                      ///< From 1; 0 for nodes that were made here.
  int64_t column = 0;                    ///< In characters, from 1.
  int64_t length = 1;

  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_null() const { return kind == Kind::kNull; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  /// The value of a map's key, or nullptr.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  /// Adds an entry with a key made here.
  Node& set(std::string key, Node value);
};

struct Node::Entry {
  Node key;  ///< Always a scalar.
  Node value;
};

/// Where the node stands, with its line.
Place place_of(const Node& node);

Node text_node(std::string text);
Node list_node(std::vector<Node> items = {});
Node map_node();

struct YamlLimits {
  size_t bytes = 8 << 20;
  size_t nodes = 400'000;  ///< Counted after aliases are copied: no billion laughs.
  int depth = 64;
};

/// The documents of one text; empty ones are left out. Faults (kInvalidConfig): bad syntax (then
/// only that), a key that stands twice in a map, keys that are no scalars, tags, bytes that are no
/// UTF-8, and what is over the limits. Anchors, aliases and merge keys (`<<`) are taken.
Checked<std::vector<Node>> parse_yaml(std::string_view text, const std::string& file,
                                      const YamlLimits& limits = {});

/// The node as JSON, by YAML 1.2's rules for plain scalars. Adds to `faults` what JSON cannot hold.
Json json_of(const Node& node, Faults& faults);
/// JSON as a node; parse_yaml(write_yaml(node_of(x))) is x.
Node node_of(const Json& value);

/// One document: block style, short collections on one line, long texts as literal blocks,
/// comments where nodes have them.
std::string write_yaml(const Node& node);

}  // namespace weir::config
