#pragma once

/// What a YAML map may say, declared once: each key with its member, type and meaning. Reading with
/// all faults, writing back (defaults left out) and the JSON Schema for editors come from the same
/// line. It knows no project; see declarations.h for what a project's maps are.

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "config/yaml.h"

namespace weir::config {

/// Collects faults while nodes are read, and knows what is being read. Not for use from several
/// threads at once.
class Reader {
 public:
  Faults faults;
  bool is_partial = false;  ///< Overrides of an environment: nothing is required.

  /// kInvalidConfig at the node; the message starts with what is being read.
  void fault(const Node& at, std::string message, std::string hint = {});
  /// "'uri' takes a text, not a list"
  void wrong_type(const Node& at, std::string_view wanted, std::string hint = {});
  /// The same place for an error that a lower layer gave.
  void fault(const Node& at, const Error& error);

  class Scope {
   public:
    Scope(Reader& reader, std::string what) : reader_(reader) {
      reader_.scopes_.push_back(std::move(what));
    }
    ~Scope() { reader_.scopes_.pop_back(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Reader& reader_;
  };

 private:
  friend class Scope;
  std::string where() const;
  std::vector<std::string> scopes_;  ///< `task 'load'`, `'retries'`
};

/// How a value of type M stands in YAML.
template <typename M>
struct Codec {
  std::function<void(Reader&, const Node&, M&)> read;
  std::function<Node(const M&)> write;
  std::function<Json()> schema;
};

Codec<std::string> text();
/// A text that model::check_name takes.
Codec<std::string> name(std::string what);
Codec<bool> boolean();
Codec<int64_t> integer(int64_t least, int64_t greatest);
Codec<std::optional<int64_t>> optional_integer(int64_t least, int64_t greatest);
/// `1h30m`, in milliseconds.
Codec<std::optional<int64_t>> optional_duration();
/// A list of texts; a single text is a list of one.
Codec<std::vector<std::string>> texts();
/// Any map; any value.
Codec<Json> json_map();
Codec<Json> json_value();
/// One of these words.
Codec<std::string> choice(std::vector<std::string> words);

template <typename E>
Codec<E> enumeration(const std::vector<std::pair<std::string, E>>& words) {
  std::vector<std::string> names;
  for (const auto& [word, value] : words) names.push_back(word);
  const Codec<std::string> word = choice(names);
  return {[word, words](Reader& reader, const Node& node, E& member) {
            std::string said;
            word.read(reader, node, said);
            for (const auto& [known, value] : words)
              if (known == said) member = value;
          },
          [words](const E& member) {
            for (const auto& [known, value] : words)
              if (value == member) return text_node(known);
            return Node{};
          },
          word.schema};
}

/// The keys of one kind of map.
template <typename T>
class Keys {
 public:
  /// `what` names one for messages (`layer`); `identity` is the key whose value tells which.
  explicit Keys(std::string what, std::string identity = {})
      : what_(std::move(what)), identity_(std::move(identity)) {}

  template <typename M, typename Owner>
  Keys& required(std::string key, M Owner::* member, Codec<M> codec, std::string doc) {
    return add(std::move(key), member, std::move(codec), std::move(doc), true);
  }
  template <typename M, typename Owner>
  Keys& optional(std::string key, M Owner::* member, Codec<M> codec, std::string doc) {
    return add(std::move(key), member, std::move(codec), std::move(doc), false);
  }
  /// Where keys go that are not declared; without it they are faults.
  Keys& rest(Json T::* member) {
    rest_ = member;
    return *this;
  }
  /// Written with one key a line, also where it would fit on one.
  Keys& block() {
    layout_ = Node::Layout::kBlock;
    return *this;
  }

  const std::string& identity() const { return identity_; }

  void read(Reader& reader, const Node& node, T& value) const {
    const Reader::Scope scope(reader, label(node));
    if (!node.is_map()) {
      reader.wrong_type(node, "a map of keys and values");
      return;
    }
    for (const auto& entry : node.entries) read_entry(reader, entry, value);
    if (reader.is_partial) return;
    for (const auto& key : keys_) {
      const Node* found = node.find(key.name);
      if (!key.is_required || (found != nullptr && !found->is_null())) continue;
      reader.fault(node, fmt::format("'{}' is missing", key.name), key.doc);
    }
  }

  Node write(const T& value) const {
    Node map = map_node();
    map.layout = layout_;
    for (const auto& key : keys_) {
      auto written = key.write(value);
      if (written) map.set(key.name, *std::move(written));
    }
    if (rest_ == nullptr) return map;
    for (const auto& [key, item] : (value.*rest_).items()) map.set(key, node_of(item));
    return map;
  }

  Json schema() const {
    Json properties = Json::object();
    Json required = Json::array();
    for (const auto& key : keys_) {
      Json property = key.schema();
      property["description"] = key.doc;
      properties[key.name] = std::move(property);
      if (key.is_required) required.push_back(key.name);
    }
    Json schema = {{"type", "object"}, {"properties", std::move(properties)}};
    schema["additionalProperties"] = rest_ != nullptr;
    if (!required.empty()) schema["required"] = std::move(required);
    return schema;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& key : keys_) names.push_back(key.name);
    return names;
  }

 private:
  struct Key {
    std::string name;
    std::string doc;
    bool is_required;
    std::function<void(Reader&, const Node&, T&)> read;
    std::function<std::optional<Node>(const T&)> write;  ///< Nothing for the default.
    std::function<Json()> schema;
  };

  template <typename M, typename Owner>
  Keys& add(std::string key, M Owner::* member, Codec<M> codec, std::string doc, bool is_required) {
    auto read = [member, reads = codec.read](Reader& reader, const Node& node, T& value) {
      reads(reader, node, value.*member);
    };
    // What is written of a value that nobody set is the default, and need not be said.
    const std::string unsaid = is_required ? "" : write_yaml(codec.write(T{}.*member));
    auto write = [member, writes = codec.write, unsaid](const T& value) -> std::optional<Node> {
      Node node = writes(value.*member);
      if (!unsaid.empty() && write_yaml(node) == unsaid) return std::nullopt;
      return node;
    };
    keys_.push_back({std::move(key), std::move(doc), is_required, std::move(read), std::move(write),
                     std::move(codec.schema)});
    return *this;
  }

  void read_entry(Reader& reader, const Node::Entry& entry, T& value) const {
    for (const auto& key : keys_) {
      if (key.name != entry.key.text) continue;
      const Reader::Scope scope(reader, fmt::format("'{}'", key.name));
      if (!entry.value.is_null()) key.read(reader, entry.value, value);
      return;
    }
    if (rest_ != nullptr) {
      (value.*rest_)[entry.key.text] = json_of(entry.value, reader.faults);
      return;
    }
    const std::string guess = did_you_mean(entry.key.text, names());
    reader.fault(entry.key, fmt::format("unknown key '{}'", entry.key.text),
                 guess.empty() ? fmt::format("keys: {}", fmt::join(names(), ", ")) : guess);
  }

  std::string label(const Node& node) const {
    const Node* identity = node.is_map() && !identity_.empty() ? node.find(identity_) : nullptr;
    if (identity == nullptr || !identity->is_scalar()) return what_;
    return what_.empty() ? "" : fmt::format("{} '{}'", what_, identity->text);
  }

  std::string what_;
  std::string identity_;
  std::vector<Key> keys_;
  Json T::* rest_ = nullptr;
  Node::Layout layout_ = Node::Layout::kAuto;
};

/// A map declared by its keys.
template <typename T>
Codec<T> map_of(const Keys<T>& keys) {
  return {[keys](Reader& reader, const Node& node, T& value) { keys.read(reader, node, value); },
          [keys](const T& value) { return keys.write(value); }, [keys] { return keys.schema(); }};
}

/// A list of such values.
template <typename T>
Codec<std::vector<T>> list_of(const Codec<T>& item) {
  return {[item](Reader& reader, const Node& node, std::vector<T>& list) {
            if (!node.is_list()) {
              reader.wrong_type(node, "a list");
              return;
            }
            for (const auto& element : node.items) {
              T value{};
              item.read(reader, element, value);
              list.push_back(std::move(value));
            }
          },
          [item](const std::vector<T>& list) {
            Node node = list_node();
            for (const auto& value : list) node.items.push_back(item.write(value));
            node.layout = Node::Layout::kBlock;
            return node;
          },
          [item] { return Json{{"type", "array"}, {"items", item.schema()}}; }};
}

/// A map that is kept as written (JSON) once these keys found no fault in it.
template <typename T>
Codec<Json> checked_map(const Keys<T>& keys) {
  return {[keys](Reader& reader, const Node& node, Json& value) {
            T checked{};
            keys.read(reader, node, checked);
            value = json_of(node, reader.faults);
          },
          [](const Json& value) { return node_of(value); }, [keys] { return keys.schema(); }};
}

}  // namespace weir::config
