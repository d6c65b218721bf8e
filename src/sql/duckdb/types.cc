#include "sql/duckdb/types.h"

#include <array>

namespace weir::sql {
namespace {

using model::DataType;
using model::TypeKind;

Result<DataType> struct_type(duckdb_logical_type type) {
  DataType out{TypeKind::kStruct, 0, 0, {}};
  for (idx_t i = 0; i < duckdb_struct_type_child_count(type); ++i) {
    const LogicalType child(duckdb_struct_type_child_type(type, i));
    WEIR_ASSIGN(DataType child_type, type_of(child.get()));
    out.children.push_back(
        {take_text(duckdb_struct_type_child_name(type, i)), std::move(child_type), true});
  }
  return out;
}

Result<DataType> list_type(LogicalType child) {
  WEIR_ASSIGN(DataType element, type_of(child.get()));
  return DataType{TypeKind::kList, 0, 0, {{"element", std::move(element), true}}};
}

Result<DataType> map_type(duckdb_logical_type type) {
  const LogicalType key(duckdb_map_type_key_type(type));
  const LogicalType value(duckdb_map_type_value_type(type));
  WEIR_ASSIGN(DataType key_type, type_of(key.get()));
  WEIR_ASSIGN(DataType value_type, type_of(value.get()));
  DataType out{TypeKind::kMap, 0, 0, {}};
  out.children.push_back({"key", std::move(key_type), true});
  out.children.push_back({"value", std::move(value_type), true});
  return out;
}

}  // namespace

Result<DataType> type_of(duckdb_logical_type type) {
  const auto plain = [](TypeKind kind) { return DataType{kind, 0, 0, {}}; };
  const duckdb_type id = duckdb_get_type_id(type);
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN: return plain(TypeKind::kBoolean);
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_SQLNULL:
    case DUCKDB_TYPE_INTEGER: return plain(TypeKind::kInteger);
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_BIGINT: return plain(TypeKind::kBigint);
    case DUCKDB_TYPE_UBIGINT: return DataType{TypeKind::kDecimal, 20, 0, {}};
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT: return plain(TypeKind::kHugeint);
    case DUCKDB_TYPE_FLOAT: return plain(TypeKind::kFloat);
    case DUCKDB_TYPE_DOUBLE: return plain(TypeKind::kDouble);
    case DUCKDB_TYPE_DECIMAL:
      return DataType{
          TypeKind::kDecimal, duckdb_decimal_width(type), duckdb_decimal_scale(type), {}};
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_VARCHAR: return plain(TypeKind::kVarchar);
    case DUCKDB_TYPE_BLOB: return plain(TypeKind::kBlob);
    case DUCKDB_TYPE_DATE: return plain(TypeKind::kDate);
    case DUCKDB_TYPE_TIME: return plain(TypeKind::kTime);
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS: return plain(TypeKind::kTimestamp);
    case DUCKDB_TYPE_UUID: return plain(TypeKind::kUuid);
    case DUCKDB_TYPE_LIST: return list_type(LogicalType(duckdb_list_type_child_type(type)));
    case DUCKDB_TYPE_ARRAY: return list_type(LogicalType(duckdb_array_type_child_type(type)));
    case DUCKDB_TYPE_STRUCT: return struct_type(type);
    case DUCKDB_TYPE_MAP: return map_type(type);
    default:
      return fail_with_hint(ErrorCode::kUnsupported, fmt::format("type {}", name_of(id)),
                            id == DUCKDB_TYPE_TIMESTAMP_NS
                                ? "weir keeps microseconds: cast it to TIMESTAMPTZ"
                                : "cast it to VARCHAR or to a type that weir keeps");
  }
}

std::string name_of(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_TIMESTAMP_NS: return "TIMESTAMP_NS";
    case DUCKDB_TYPE_TIME_NS: return "TIME_NS";
    case DUCKDB_TYPE_TIME_TZ: return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_INTERVAL: return "INTERVAL";
    case DUCKDB_TYPE_BIT: return "BIT";
    case DUCKDB_TYPE_UNION: return "UNION";
    case DUCKDB_TYPE_BIGNUM: return "BIGNUM";
    case DUCKDB_TYPE_GEOMETRY: return "GEOMETRY";
    case DUCKDB_TYPE_VARIANT: return "VARIANT";
    case DUCKDB_TYPE_ANY: return "ANY";
    default: return fmt::format("number {} of DuckDB", static_cast<int>(type));
  }
}

std::vector<std::string> enum_values(duckdb_logical_type type) {
  std::vector<std::string> values;
  const idx_t size = duckdb_enum_dictionary_size(type);
  for (idx_t i = 0; i < size; ++i)
    values.push_back(take_text(duckdb_enum_dictionary_value(type, i)));
  return values;
}

}  // namespace weir::sql
