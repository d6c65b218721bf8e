#include "table/hudi/avro_file.h"

#include <bit>
#include <limits>
#include <map>
#include <memory>

// The format is Avro's specification, "Object Container Files" and "Binary Encoding". Two rules
// keep the cost of a file within its size: a length is compared with the bytes that are left before
// anything is made of it, and every item of an array takes at least one byte, so a count that the
// bytes do not bear ends at once.

namespace weir::table {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kSyncBytes = 16;
constexpr int kMaxDepth = 64;
constexpr int kMaxNodes = 5'000;  // Hudi's own schemas have some hundred types
constexpr int64_t kMaxFixedBytes = 1 << 20;

struct Node;
using NodePointer = std::shared_ptr<const Node>;

/// A type of the schema with its names resolved: a tree, as recursion is refused.
struct Node {
  enum class Kind {
    kNull,
    kBoolean,
    kInteger,
    kFloat,
    kDouble,
    kText,  // bytes and string
    kFixed,
    kEnum,
    kArray,
    kMap,
    kRecord,
    kUnion
  } kind = Kind::kNull;
  size_t fixed_bytes = 0;
  std::vector<std::string> names;     // of fields or symbols
  std::vector<NodePointer> children;  // fields, branches, or the one of items or values
  size_t least_bytes = 0;             // that a value takes
  size_t nodes = 1;                   // of the tree, a type that is named twice counted twice
};

std::unexpected<Error> bad_schema(std::string_view why) {
  return fail(ErrorCode::kCorrupt, "its Avro schema is broken: {}", why);
}

class SchemaReader {
 public:
  Result<NodePointer> read(const Json& avro, const std::string& scope, int depth) {
    if (depth > kMaxDepth) return bad_schema("nested too deep");
    if (++nodes_ > kMaxNodes) return bad_schema("too many types");
    if (avro.is_string()) return named(avro.get<std::string>(), scope);
    if (avro.is_array()) return union_of(avro, scope, depth);
    if (!avro.is_object() || !avro.contains("type")) return bad_schema("no type where one belongs");
    const Json& type = avro.at("type");
    if (!type.is_string()) return read(type, scope, depth + 1);
    const std::string kind = type.get<std::string>();
    if (kind == "record" || kind == "error") return record(avro, scope, depth);
    if (kind == "enum" || kind == "fixed") return leaf_with_name(avro, kind, scope);
    if (kind == "array" || kind == "map") return collection(avro, kind, scope, depth);
    return named(kind, scope);
  }

 private:
  using Kind = Node::Kind;

  static NodePointer plain(Kind kind, size_t least_bytes) {
    Node node;
    node.kind = kind;
    node.least_bytes = least_bytes;
    return std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> named(const std::string& name, const std::string& scope) {
    static const std::map<std::string, std::pair<Kind, size_t>, std::less<>> kPlain = {
        {"null", {Kind::kNull, 0}},   {"boolean", {Kind::kBoolean, 1}},
        {"int", {Kind::kInteger, 1}}, {"long", {Kind::kInteger, 1}},
        {"float", {Kind::kFloat, 4}}, {"double", {Kind::kDouble, 8}},
        {"bytes", {Kind::kText, 1}},  {"string", {Kind::kText, 1}}};
    if (const auto found = kPlain.find(name); found != kPlain.end())
      return plain(found->second.first, found->second.second);
    const bool is_full = name.find('.') != std::string::npos || scope.empty();
    auto known = names_.find(is_full ? name : scope + "." + name);
    if (known == names_.end()) known = names_.find(name);
    if (known == names_.end()) return bad_schema("unknown type '" + name + "'");
    if (!known->second)
      return fail(ErrorCode::kUnsupported, "its Avro schema holds itself: type '{}'", name);
    return known->second;
  }

  Result<NodePointer> union_of(const Json& avro, const std::string& scope, int depth) {
    Node node;
    node.kind = Kind::kUnion;
    node.least_bytes = 1;
    for (const auto& branch : avro) {
      WEIR_ASSIGN(NodePointer child, read(branch, scope, depth + 1));
      node.nodes += child->nodes;
      node.children.push_back(std::move(child));
    }
    if (node.children.empty()) return bad_schema("a union of nothing");
    return std::make_shared<const Node>(std::move(node));
  }

  /// The full name of a named type, and the scope for names within it.
  static Result<std::string> full_name(const Json& avro, const std::string& scope) {
    const auto name = json_field<std::string>(avro, "name");
    if (!name || name->empty()) return bad_schema("a type without a name");
    if (name->find('.') != std::string::npos) return *name;
    const auto space = json_field_or<std::string>(avro, "namespace", scope);
    if (!space) return bad_schema("a namespace that is no text");
    return space->empty() ? *name : *space + "." + *name;
  }

  Result<NodePointer> record(const Json& avro, const std::string& scope, int depth) {
    WEIR_ASSIGN(const std::string name, full_name(avro, scope));
    if (!names_.emplace(name, nullptr).second) return bad_schema("two types '" + name + "'");
    const size_t dot = name.rfind('.');
    const std::string inner = dot == std::string::npos ? std::string() : name.substr(0, dot);
    const auto fields = avro.find("fields");
    if (fields == avro.end() || !fields->is_array()) return bad_schema("a record without fields");
    Node node;
    node.kind = Kind::kRecord;
    for (const auto& field : *fields) {
      if (!field.is_object() || !field.contains("type")) return bad_schema("a field without type");
      auto field_name = json_field<std::string>(field, "name");
      if (!field_name) return bad_schema("a field without a name");
      WEIR_ASSIGN(NodePointer child, read(field.at("type"), inner, depth + 1));
      node.least_bytes += child->least_bytes;
      node.nodes += child->nodes;
      node.names.push_back(*std::move(field_name));
      node.children.push_back(std::move(child));
    }
    // Types that name others twice, level by level, would double the work with each.
    if (node.nodes > kMaxNodes) return bad_schema("too many types");
    return names_[name] = std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> leaf_with_name(const Json& avro, const std::string& kind,
                                     const std::string& scope) {
    WEIR_ASSIGN(const std::string name, full_name(avro, scope));
    if (names_.contains(name)) return bad_schema("two types '" + name + "'");
    Node node;
    if (kind == "fixed") {
      const auto size = json_field<int64_t>(avro, "size");
      if (!size || *size < 0 || *size > kMaxFixedBytes) return bad_schema("the size of a fixed");
      node.kind = Kind::kFixed;
      node.fixed_bytes = node.least_bytes = static_cast<size_t>(*size);
    } else {
      const auto symbols = avro.find("symbols");
      if (symbols == avro.end() || !symbols->is_array()) return bad_schema("an enum of nothing");
      for (const auto& symbol : *symbols) {
        if (!symbol.is_string()) return bad_schema("a symbol that is no text");
        node.names.push_back(symbol.get<std::string>());
      }
      node.kind = Kind::kEnum;
      node.least_bytes = 1;
    }
    return names_[name] = std::make_shared<const Node>(std::move(node));
  }

  Result<NodePointer> collection(const Json& avro, const std::string& kind,
                                 const std::string& scope, int depth) {
    const bool is_array = kind == "array";
    const auto inner = avro.find(is_array ? "items" : "values");
    if (inner == avro.end()) return bad_schema("an " + kind + " of nothing");
    Node node;
    node.kind = is_array ? Kind::kArray : Kind::kMap;
    node.least_bytes = 1;
    WEIR_ASSIGN(NodePointer child, read(*inner, scope, depth + 1));
    // A count of such items is not borne out by any bytes.
    if (is_array && child->least_bytes == 0) return bad_schema("an array of what takes no bytes");
    node.nodes += child->nodes;
    node.children.push_back(std::move(child));
    return std::make_shared<const Node>(std::move(node));
  }

  std::map<std::string, NodePointer, std::less<>> names_;  // null while it is being read
  int nodes_ = 0;
};

/// -count; the least number of all has no counterpart.
int64_t size_of(int64_t count) {
  return count == std::numeric_limits<int64_t>::min() ? std::numeric_limits<int64_t>::max()
                                                      : -count;
}

/// Takes values off the front of some bytes.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}

  bool is_at_end() const { return rest_.empty(); }

  Result<int64_t> number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return cut_short();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      // The tenth byte has room for the last bit alone.
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return std::bit_cast<int64_t>(value >> 1 ^ (0 - (value & 1)));
    }
    return fail(ErrorCode::kCorrupt, "a number goes on for more than ten bytes");
  }

  Result<std::string_view> take(size_t count) {
    if (count > rest_.size()) return cut_short();
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  /// Bytes with their length before them.
  Result<std::string_view> text() {
    WEIR_ASSIGN(const int64_t length, number());
    if (length < 0 || static_cast<uint64_t>(length) > rest_.size())
      return fail(ErrorCode::kCorrupt, "a text says it has {} bytes where {} are left", length,
                  rest_.size());
    return take(static_cast<size_t>(length));
  }

  Result<Json> value(const Node& node) {
    using Kind = Node::Kind;
    switch (node.kind) {
      case Kind::kNull: return Json(nullptr);
      case Kind::kBoolean: return boolean();
      case Kind::kInteger: {
        WEIR_ASSIGN(const int64_t taken, number());
        return Json(taken);
      }
      case Kind::kFloat: return floating<uint32_t, float>();
      case Kind::kDouble: return floating<uint64_t, double>();
      case Kind::kText: {
        WEIR_ASSIGN(const std::string_view taken, text());
        return Json(taken);
      }
      case Kind::kFixed: {
        WEIR_ASSIGN(const std::string_view taken, take(node.fixed_bytes));
        return Json(taken);
      }
      case Kind::kEnum: {
        WEIR_ASSIGN(const size_t place, place_in(node.names.size()));
        return Json(node.names[place]);
      }
      case Kind::kUnion: {
        WEIR_ASSIGN(const size_t place, place_in(node.children.size()));
        return value(*node.children[place]);
      }
      case Kind::kRecord: return record(node);
      case Kind::kArray:
      case Kind::kMap: return collection(node);
    }
    return fail(ErrorCode::kInternal, "an Avro type of no kind");
  }

 private:
  static std::unexpected<Error> cut_short() {
    return fail(ErrorCode::kCorrupt, "the bytes end within a value");
  }

  Result<size_t> place_in(size_t count) {
    WEIR_ASSIGN(const int64_t place, number());
    if (place < 0 || static_cast<uint64_t>(place) >= count)
      return fail(ErrorCode::kCorrupt, "choice {} of {}", place, count);
    return static_cast<size_t>(place);
  }

  Result<Json> boolean() {
    WEIR_ASSIGN(const std::string_view byte, take(1));
    if (byte[0] != 0 && byte[0] != 1)
      return fail(ErrorCode::kCorrupt, "a boolean is neither 0 nor 1");
    return Json(byte[0] == 1);
  }

  template <typename Bits, typename Number>
  Result<Json> floating() {
    WEIR_ASSIGN(const std::string_view bytes, take(sizeof(Bits)));
    Bits bits = 0;
    for (size_t i = 0; i < sizeof(Bits); ++i)
      bits |= static_cast<Bits>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return Json(std::bit_cast<Number>(bits));
  }

  Result<Json> record(const Node& node) {
    Json object = Json::object();
    for (size_t i = 0; i < node.children.size(); ++i) {
      WEIR_ASSIGN(Json field, value(*node.children[i]));
      if (!field.is_null()) object[node.names[i]] = std::move(field);
    }
    return object;
  }

  /// Blocks of items, each with its count before it; 0 ends them.
  Result<Json> collection(const Node& node) {
    const bool is_array = node.kind == Node::Kind::kArray;
    Json out = is_array ? Json::array() : Json::object();
    while (true) {
      WEIR_ASSIGN(int64_t count, number());
      if (count == 0) return out;
      if (count < 0) {  // its size in bytes follows, for those who would skip it
        WEIR_TRY(number());
        count = size_of(count);
      }
      for (int64_t i = 0; i < count; ++i) {
        std::string key;
        if (!is_array) {
          WEIR_ASSIGN(key, text());
        }
        WEIR_ASSIGN(Json item, value(*node.children[0]));
        if (is_array)
          out.push_back(std::move(item));
        else
          out[key] = std::move(item);
      }
    }
  }

  std::string_view rest_;
};

/// The container's own head: its schema, and the mark that ends each block.
struct Head {
  NodePointer schema;
  std::string_view sync;
};

Result<Head> read_head(Decoder& decoder) {
  std::string_view schema_text;
  while (true) {
    WEIR_ASSIGN(int64_t count, decoder.number());
    if (count == 0) break;
    if (count < 0) {
      WEIR_TRY(decoder.number());
      count = size_of(count);
    }
    for (int64_t i = 0; i < count; ++i) {
      WEIR_ASSIGN(const std::string_view key, decoder.text());
      WEIR_ASSIGN(const std::string_view value, decoder.text());
      if (key == "avro.schema") schema_text = value;
      if (key == "avro.codec" && value != "null")
        return fail(ErrorCode::kUnsupported, "it is compressed by '{}'; Hudi's own are not", value);
    }
  }
  Head head;
  const auto json = parse_json(schema_text);
  if (!json) return bad_schema(json.error().message);
  WEIR_ASSIGN(head.schema, SchemaReader().read(*json, "", 0));
  WEIR_ASSIGN(head.sync, decoder.take(kSyncBytes));
  return head;
}

Result<std::vector<Json>> read_all(std::string_view bytes) {
  if (!is_avro_file(bytes)) return fail(ErrorCode::kCorrupt, "it is no Avro file");
  Decoder decoder(bytes.substr(kMagic.size()));
  WEIR_ASSIGN(const Head head, read_head(decoder));
  std::vector<Json> records;
  while (!decoder.is_at_end()) {
    WEIR_ASSIGN(const int64_t count, decoder.number());
    WEIR_ASSIGN(const std::string_view block, decoder.text());
    WEIR_ASSIGN(const std::string_view sync, decoder.take(kSyncBytes));
    if (sync != head.sync) return fail(ErrorCode::kCorrupt, "a block does not end with its mark");
    const size_t most = head.schema->least_bytes == 0 ? 1 : block.size() / head.schema->least_bytes;
    if (count < 0 || static_cast<uint64_t>(count) > most)
      return fail(ErrorCode::kCorrupt, "a block of {} bytes says it has {} records", block.size(),
                  count);
    Decoder values(block);
    for (int64_t i = 0; i < count; ++i) {
      WEIR_ASSIGN(Json record, values.value(*head.schema));
      records.push_back(std::move(record));
    }
    if (!values.is_at_end())
      return fail(ErrorCode::kCorrupt, "a block has bytes behind its last record");
  }
  return records;
}

}  // namespace

bool is_avro_file(std::string_view bytes) { return bytes.starts_with(kMagic); }

Result<std::vector<Json>> read_avro_file(std::string_view bytes, std::string_view file) {
  return while_doing(read_all(bytes), fmt::format("reading the Avro file {}", file));
}

}  // namespace weir::table
