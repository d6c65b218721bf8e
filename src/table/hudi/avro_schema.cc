#include "table/hudi/avro_schema.h"

#include <map>

#include "base/json.h"
#include "model/names.h"
#include "table/hudi.h"
#include "table/hudi/properties.h"

namespace weir::table {
namespace {

/// Text for people as well: keeps `type` and `name` where a reader expects them.
using OrderedJson = nlohmann::ordered_json;
using model::TypeKind;

Status check_name(std::string_view name) {
  if (model::is_column_name(name)) return {};
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("column '{}' has a name that a Hudi table cannot hold", name),
                        "use letters, digits and '_' only, not starting with a digit: `rename` it "
                        "where the file is ingested, or in a transform");
}

bool is_meta_column(std::string_view name) {
  for (const auto meta : kMetaColumns) {
    if (meta == name) return true;
  }
  return false;
}

/// The least number of bytes that holds every unscaled value of that many digits.
int bytes_of_precision(int precision) {
  // bits for 10^p − 1 and the sign: ⌈p·log2(10)⌉ + 1; 2^(8n−1) ≥ 10^p.
  static constexpr double kBitsPerDigit = 3.3219280948873623;
  return static_cast<int>((static_cast<double>(precision) * kBitsPerDigit + 1.0) / 8.0 - 1e-12) + 1;
}

OrderedJson logical(std::string_view type, std::string_view name) {
  return {{"type", type}, {"logicalType", name}};
}

OrderedJson nullable(OrderedJson type) { return OrderedJson::array({"null", std::move(type)}); }

Result<OrderedJson> avro_type(const model::DataType& type, const std::string& name,
                              const std::string& scope);

Result<OrderedJson> avro_fields(const model::Schema& columns, const std::string& scope) {
  OrderedJson fields = OrderedJson::array();
  for (const auto& column : columns) {
    WEIR_TRY(check_name(column.name));
    WEIR_ASSIGN(OrderedJson type, avro_type(column.type, column.name, scope));
    fields.push_back(
        {{"name", column.name}, {"type", nullable(std::move(type))}, {"default", nullptr}});
  }
  return fields;
}

/// Names of nested records and fixeds as Spark's converter makes them: the path of the column.
Result<OrderedJson> nested_type(const model::DataType& type, const std::string& name,
                                const std::string& scope) {
  if (type.kind == TypeKind::kStruct) {
    WEIR_ASSIGN(OrderedJson fields, avro_fields(type.children, scope + "." + name));
    return OrderedJson{
        {"type", "record"}, {"name", name}, {"namespace", scope}, {"fields", std::move(fields)}};
  }
  if (type.kind == TypeKind::kList) {
    WEIR_ASSIGN(OrderedJson items, avro_type(type.children.at(0).type, name, scope));
    return OrderedJson{{"type", "array"}, {"items", nullable(std::move(items))}};
  }
  if (type.children.at(0).type.kind != TypeKind::kVarchar)
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("column '{}' is a map whose keys are {}", name,
                                      model::to_text(type.children.at(0).type)),
                          "Hudi's maps have text keys: cast them to varchar");
  WEIR_ASSIGN(OrderedJson values, avro_type(type.children.at(1).type, name, scope));
  return OrderedJson{{"type", "map"}, {"values", nullable(std::move(values))}};
}

Result<OrderedJson> avro_type(const model::DataType& type, const std::string& name,
                              const std::string& scope) {
  switch (type.kind) {
    case TypeKind::kBoolean: return OrderedJson("boolean");
    case TypeKind::kInteger: return OrderedJson("int");
    case TypeKind::kBigint: return OrderedJson("long");
    case TypeKind::kFloat: return OrderedJson("float");
    case TypeKind::kDouble: return OrderedJson("double");
    case TypeKind::kVarchar: return OrderedJson("string");
    case TypeKind::kBlob: return OrderedJson("bytes");
    case TypeKind::kDate: return logical("int", "date");
    case TypeKind::kTime: return logical("long", "time-micros");
    case TypeKind::kTimestamp: return logical("long", "timestamp-micros");
    case TypeKind::kUuid: return logical("string", "uuid");
    case TypeKind::kHugeint:
    case TypeKind::kDecimal: {
      const int precision = type.kind == TypeKind::kHugeint ? 38 : type.precision;
      return OrderedJson{{"type", "fixed"},
                         {"name", "fixed"},
                         {"namespace", scope + "." + name},
                         {"size", bytes_of_precision(precision)},
                         {"logicalType", "decimal"},
                         {"precision", precision},
                         {"scale", type.scale}};
    }
    case TypeKind::kList:
    case TypeKind::kStruct:
    case TypeKind::kMap: return nested_type(type, name, scope);
  }
  return fail(ErrorCode::kInternal, "column '{}' has an unknown type", name);
}

/// Reads a type; named ones may be referred to again by their full or bare name.
class AvroReader {
 public:
  Result<model::DataType> type(const Json& avro, int depth) {
    if (depth > kMaxDepth) return fail(ErrorCode::kCorrupt, "Avro schema is nested too deep");
    if (avro.is_array()) return union_of(avro, depth);
    if (avro.is_string()) return named(avro.get<std::string>());
    if (!avro.is_object() || !avro.contains("type")) return unknown(avro);
    return of_object(avro, depth);
  }

  Result<model::Schema> fields(const Json& record, int depth) {
    model::Schema columns;
    const auto found = record.find("fields");
    if (found == record.end() || !found->is_array()) return std::unexpected(no_record());
    for (const auto& field : *found) {
      if (!field.is_object() || !field.contains("type")) return std::unexpected(no_record());
      auto name = json_field<std::string>(field, "name");
      if (!name) return std::unexpected(no_record());
      WEIR_ASSIGN(model::DataType column_type, type(field.at("type"), depth + 1));
      const bool is_nullable = field.at("type").is_array();
      columns.push_back({*std::move(name), std::move(column_type), is_nullable});
    }
    return columns;
  }

  static Error no_record() {
    return Error{ErrorCode::kCorrupt,
                 "the Avro schema of a commit is no record of named fields",
                 {},
                 {},
                 std::nullopt};
  }

 private:
  static constexpr int kMaxDepth = 64;

  static std::unexpected<Error> unknown(const Json& avro) {
    return fail(ErrorCode::kUnsupported, "Avro type {} is not one that weir knows",
                dump_json(avro));
  }

  Result<model::DataType> union_of(const Json& avro, int depth) {
    const Json* only = nullptr;
    for (const auto& branch : avro) {
      if (branch == "null") continue;
      if (only != nullptr) return unknown(avro);
      only = &branch;
    }
    if (only == nullptr) return unknown(avro);
    return type(*only, depth + 1);
  }

  Result<model::DataType> named(const std::string& name) {
    static const std::map<std::string, TypeKind, std::less<>> kPlain = {
        {"boolean", TypeKind::kBoolean}, {"int", TypeKind::kInteger},
        {"long", TypeKind::kBigint},     {"float", TypeKind::kFloat},
        {"double", TypeKind::kDouble},   {"string", TypeKind::kVarchar},
        {"bytes", TypeKind::kBlob}};
    const auto plain = kPlain.find(name);
    if (plain != kPlain.end()) return model::DataType{plain->second, 0, 0, {}};
    const auto known = names_.find(name);
    if (known != names_.end()) return known->second;
    return unknown(name);
  }

  Result<model::DataType> of_object(const Json& avro, int depth) {
    const Json& kind = avro.at("type");
    if (!kind.is_string()) return type(kind, depth + 1);
    const std::string text = kind.get<std::string>();
    WEIR_ASSIGN(model::DataType result, of_kind(avro, text, depth));
    const auto name = avro.find("name");
    if (name != avro.end() && name->is_string()) {
      const auto scope = avro.find("namespace");
      const std::string bare = name->get<std::string>();
      names_[bare] = result;
      if (scope != avro.end() && scope->is_string())
        names_[scope->get<std::string>() + "." + bare] = result;
    }
    return result;
  }

  Result<model::DataType> of_kind(const Json& avro, const std::string& kind, int depth) {
    const auto logical_type = avro.find("logicalType");
    if (logical_type != avro.end() && logical_type->is_string())
      return of_logical(avro, kind, logical_type->get<std::string>());
    if (kind == "array" && avro.contains("items")) {
      WEIR_ASSIGN(model::DataType item, type(avro.at("items"), depth + 1));
      return model::DataType{TypeKind::kList, 0, 0, {{"element", std::move(item), true}}};
    }
    if (kind == "map" && avro.contains("values")) {
      WEIR_ASSIGN(model::DataType value, type(avro.at("values"), depth + 1));
      return model::DataType{
          TypeKind::kMap,
          0,
          0,
          {{"key", {TypeKind::kVarchar, 0, 0, {}}, false}, {"value", std::move(value), true}}};
    }
    if (kind == "record") {
      WEIR_ASSIGN(model::Schema children, fields(avro, depth));
      return model::DataType{TypeKind::kStruct, 0, 0, std::move(children)};
    }
    if (kind == "enum") return model::DataType{TypeKind::kVarchar, 0, 0, {}};
    if (kind == "fixed") return model::DataType{TypeKind::kBlob, 0, 0, {}};
    return named(kind);
  }

  Result<model::DataType> of_logical(const Json& avro, const std::string& kind,
                                     const std::string& logical_type) {
    static const std::map<std::string, TypeKind, std::less<>> kLogical = {
        {"date", TypeKind::kDate},
        {"time-micros", TypeKind::kTime},
        {"time-millis", TypeKind::kTime},
        {"timestamp-micros", TypeKind::kTimestamp},
        {"timestamp-millis", TypeKind::kTimestamp},
        {"local-timestamp-micros", TypeKind::kTimestamp},
        {"local-timestamp-millis", TypeKind::kTimestamp},
        {"uuid", TypeKind::kUuid}};
    if (logical_type == "decimal") {
      WEIR_ASSIGN(const int64_t precision, json_field<int64_t>(avro, "precision"));
      WEIR_ASSIGN(const int64_t scale, json_field_or<int64_t>(avro, "scale", 0));
      return model::DataType{
          TypeKind::kDecimal, static_cast<int>(precision), static_cast<int>(scale), {}};
    }
    const auto found = kLogical.find(logical_type);
    if (found == kLogical.end()) return named(kind);
    return model::DataType{found->second, 0, 0, {}};
  }

  std::map<std::string, model::DataType> names_;
};

}  // namespace

Result<std::string> avro_schema_text(std::string_view table_name, const model::Schema& schema,
                                     MetaColumns meta) {
  const std::string table = sanitised_name(table_name);
  const std::string record = table + "_record";
  for (const auto& column : schema) {
    if (is_meta_column(column.name))
      return fail(ErrorCode::kInvalidConfig,
                  "column '{}' has the name of one of Hudi's own columns", column.name);
  }
  WEIR_ASSIGN(OrderedJson fields, avro_fields(schema, "hoodie." + table + "." + record));
  OrderedJson all = OrderedJson::array();
  if (meta == MetaColumns::kFirst) {
    for (const auto name : kMetaColumns)
      all.push_back(
          {{"name", name}, {"type", nullable("string")}, {"doc", ""}, {"default", nullptr}});
  }
  for (auto& field : fields) all.push_back(std::move(field));
  const OrderedJson whole = {{"type", "record"},
                             {"name", record},
                             {"namespace", "hoodie." + table},
                             {"fields", std::move(all)}};
  return whole.dump();  // names are ASCII, so it cannot fail
}

Result<model::Schema> schema_from_avro(std::string_view text) {
  auto json = parse_json(text);
  if (!json || !json->is_object()) return std::unexpected(AvroReader::no_record());
  WEIR_ASSIGN(model::Schema all, AvroReader().fields(*json, 0));
  model::Schema columns;
  for (auto& column : all) {
    if (!is_meta_column(column.name)) columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace weir::table
