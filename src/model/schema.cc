#include "model/schema.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/nearest.h"

namespace weir::model {
namespace {

struct TypeName {
  std::string_view text;
  TypeKind kind;
};

// The first name of a kind is the canonical one.
constexpr std::array kNames = {
    TypeName{"boolean", TypeKind::kBoolean},
    TypeName{"bool", TypeKind::kBoolean},
    TypeName{"integer", TypeKind::kInteger},
    TypeName{"int", TypeKind::kInteger},
    TypeName{"int4", TypeKind::kInteger},
    TypeName{"smallint", TypeKind::kInteger},
    TypeName{"int2", TypeKind::kInteger},
    TypeName{"tinyint", TypeKind::kInteger},
    TypeName{"bigint", TypeKind::kBigint},
    TypeName{"int8", TypeKind::kBigint},
    TypeName{"long", TypeKind::kBigint},
    TypeName{"hugeint", TypeKind::kHugeint},
    TypeName{"float", TypeKind::kFloat},
    TypeName{"real", TypeKind::kFloat},
    TypeName{"float4", TypeKind::kFloat},
    TypeName{"double", TypeKind::kDouble},
    TypeName{"double precision", TypeKind::kDouble},
    TypeName{"float8", TypeKind::kDouble},
    TypeName{"decimal", TypeKind::kDecimal},
    TypeName{"numeric", TypeKind::kDecimal},
    TypeName{"varchar", TypeKind::kVarchar},
    TypeName{"text", TypeKind::kVarchar},
    TypeName{"string", TypeKind::kVarchar},
    TypeName{"char", TypeKind::kVarchar},
    TypeName{"blob", TypeKind::kBlob},
    TypeName{"bytea", TypeKind::kBlob},
    TypeName{"binary", TypeKind::kBlob},
    TypeName{"date", TypeKind::kDate},
    TypeName{"time", TypeKind::kTime},
    TypeName{"timestamp", TypeKind::kTimestamp},
    TypeName{"timestamptz", TypeKind::kTimestamp},
    TypeName{"timestamp with time zone", TypeKind::kTimestamp},
    TypeName{"datetime", TypeKind::kTimestamp},
    TypeName{"uuid", TypeKind::kUuid},
};

std::string_view name_of(TypeKind kind) {
  const auto* found = std::ranges::find(kNames, kind, &TypeName::kind);
  return found == kNames.end() ? "" : found->text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// Reads a type by recursive descent; the grammar is in the header.
class TypeReader {
 public:
  explicit TypeReader(std::string_view text) : text_(text) {}

  Result<DataType> read_whole() {
    WEIR_ASSIGN(DataType type, read(0));
    skip();
    if (at_ != text_.size()) return refuse("has more text than a type");
    return type;
  }

 private:
  std::unexpected<Error> refuse(std::string_view why, std::string hint = {}) const {
    if (hint.empty()) hint = "write varchar, bigint, double, decimal(10,2), date, timestamp, …";
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("type '{}' {}", text_, why),
                          std::move(hint));
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string word() {
    skip();
    const size_t from = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      ++at_;
    return lower(text_.substr(from, at_ - from));
  }
  Result<std::string> field_name() {
    skip();
    if (at_ < text_.size() && text_[at_] == '"') {
      std::string name;
      for (++at_; at_ < text_.size(); ++at_) {
        if (text_[at_] != '"') {
          name += text_[at_];
        } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
          name += text_[at_++];
        } else {
          ++at_;
          return name;
        }
      }
      return refuse("has an unclosed quote");
    }
    const size_t from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                  text_[at_] == '_' || (text_[at_] & 0x80) != 0))
      ++at_;
    if (at_ == from) return refuse("lacks a field name");
    return std::string(text_.substr(from, at_ - from));
  }
  Result<int> number() {
    const std::string digits = word();
    if (digits.empty() || digits.size() > 4 ||
        !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
      return refuse("lacks a number");
    return std::stoi(digits);
  }

  Result<DataType> read(int depth) {
    if (depth > 20) return refuse("is nested too deep");
    DataType type;
    std::string name = word();
    if (name == "struct" || name == "map") {
      WEIR_ASSIGN(type, read_nested(name, depth));
    } else {
      if (name == "double" || name == "timestamp") {
        const size_t back = at_;
        const std::string next = word();
        if (name == "timestamp" && next == "with" && word() == "time" && word() == "zone") {
        } else if (name != "double" || next != "precision") {
          at_ = back;
        }
      }
      const auto* found = std::ranges::find(kNames, name, &TypeName::text);
      if (found == kNames.end()) {
        std::vector<std::string> known;
        for (const auto& each : kNames) known.emplace_back(each.text);
        return refuse("is not known", did_you_mean(name, known));
      }
      type.kind = found->kind;
      WEIR_TRY(read_arguments(type));
    }
    while (take('[')) {
      if (!take(']')) return refuse("has an unclosed '['");
      DataType list{TypeKind::kList, 0, 0, {Column{"element", type, true}}};
      type = std::move(list);
    }
    return type;
  }

  Result<DataType> read_nested(const std::string& name, int depth) {
    DataType type;
    type.kind = name == "struct" ? TypeKind::kStruct : TypeKind::kMap;
    if (!take('(')) return refuse(fmt::format("lacks '(' behind {}", name));
    do {
      Column child;
      if (type.kind == TypeKind::kStruct) {
        WEIR_ASSIGN(child.name, field_name());
      } else {
        child.name = type.children.empty() ? "key" : "value";
      }
      WEIR_ASSIGN(child.type, read(depth + 1));
      type.children.push_back(std::move(child));
    } while (take(','));
    if (!take(')')) return refuse("has an unclosed '('");
    if (type.kind == TypeKind::kMap && type.children.size() != 2)
      return refuse("is a map without exactly two types");
    return type;
  }

  Status read_arguments(DataType& type) {
    const bool has_arguments = take('(');
    if (type.kind == TypeKind::kDecimal) {
      type.precision = 18;
      type.scale = 3;  // DuckDB's own default
      if (!has_arguments) return {};
      WEIR_ASSIGN(type.precision, number());
      type.scale = 0;
      if (take(',')) {
        WEIR_ASSIGN(type.scale, number());
      }
      if (type.precision < 1 || type.precision > 38 || type.scale > type.precision)
        return refuse("is out of range", "precision is 1 to 38, scale 0 to precision");
    } else if (has_arguments) {
      if (type.kind != TypeKind::kVarchar) return refuse("takes no arguments");
      WEIR_ASSIGN(const int length, number());  // a length says nothing in a lake
      static_cast<void>(length);
    }
    if (has_arguments && !take(')')) return refuse("has an unclosed '('");
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::string render(const DataType& type, bool for_duckdb) {
  switch (type.kind) {
    case TypeKind::kDecimal: return fmt::format("decimal({},{})", type.precision, type.scale);
    case TypeKind::kTimestamp: return for_duckdb ? "timestamptz" : "timestamp";
    case TypeKind::kList: return render(type.children.at(0).type, for_duckdb) + "[]";
    case TypeKind::kMap:
      return fmt::format("map({}, {})", render(type.children.at(0).type, for_duckdb),
                         render(type.children.at(1).type, for_duckdb));
    case TypeKind::kStruct: {
      std::string text = "struct(";
      for (size_t i = 0; i < type.children.size(); ++i) {
        if (i > 0) text += ", ";
        text += quote_name(type.children[i].name) + " " + render(type.children[i].type, for_duckdb);
      }
      return text + ")";
    }
    default: return std::string(name_of(type.kind));
  }
}

}  // namespace

Result<DataType> parse_type(std::string_view text) { return TypeReader(text).read_whole(); }
std::string to_text(const DataType& type) { return render(type, false); }
std::string to_duckdb(const DataType& type) { return render(type, true); }

const Schema& rejected_schema() {
  static const Schema kSchema = [] {
    Schema schema;
    const auto add = [&](const char* name, TypeKind kind) {
      schema.push_back({name, {kind, 0, 0, {}}, true});
    };
    add("reason", TypeKind::kVarchar);
    add("column", TypeKind::kVarchar);
    add("message", TypeKind::kVarchar);
    add("line", TypeKind::kBigint);
    add("byte_offset", TypeKind::kBigint);
    add("byte_length", TypeKind::kBigint);
    add("raw", TypeKind::kBlob);
    add("values", TypeKind::kVarchar);
    add("source_file", TypeKind::kVarchar);
    add("source_sha256", TypeKind::kVarchar);
    add("as_of", TypeKind::kTimestamp);
    add("_run_id", TypeKind::kVarchar);
    add("_loaded_at", TypeKind::kTimestamp);
    return schema;
  }();
  return kSchema;
}

Json to_json(const Schema& schema) {
  Json list = Json::array();
  for (const auto& column : schema) {
    Json item = {{"name", column.name}, {"type", to_text(column.type)}};
    if (!column.is_nullable) item["nullable"] = false;
    list.push_back(std::move(item));
  }
  return list;
}

Result<Schema> schema_from_json(const Json& json) {
  if (!json.is_array()) return fail(ErrorCode::kInvalidData, "a schema is a list of columns");
  Schema schema;
  for (const auto& item : json) {
    Column column;
    WEIR_ASSIGN(column.name, json_field<std::string>(item, "name"));
    WEIR_ASSIGN(const std::string type, json_field<std::string>(item, "type"));
    WEIR_ASSIGN(column.type, parse_type(type));
    WEIR_ASSIGN(column.is_nullable, json_field_or<bool>(item, "nullable", true));
    schema.push_back(std::move(column));
  }
  return schema;
}

const Column* find_column(const Schema& schema, std::string_view name) {
  const auto found = std::ranges::find(schema, name, &Column::name);
  return found == schema.end() ? nullptr : &*found;
}

bool widens(const DataType& from, const DataType& to) {
  if (from == to) return true;
  if (from.kind == TypeKind::kInteger && to.kind == TypeKind::kBigint) return true;
  if (from.kind == TypeKind::kFloat && to.kind == TypeKind::kDouble) return true;
  if (from.kind == TypeKind::kDecimal && to.kind == TypeKind::kDecimal)
    return to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale;
  return false;
}

std::string quote_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string quote_text(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += '\'';
    quoted += c;
  }
  return quoted + '\'';
}

}  // namespace weir::model
