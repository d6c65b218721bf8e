#include "warehouse/postgres/types.h"

#include <algorithm>
#include <array>

namespace weir::warehouse::postgres {
namespace {

using model::DataType;
using model::TypeKind;

constexpr size_t kMostNameBytes = 63;  ///< NAMEDATALEN - 1: longer names are cut, with a notice.
constexpr int kDigitsOfDouble = 15;    ///< Decimals of so many digits pass through a double.

struct Name {
  std::string_view text;
  TypeKind kind;
};

constexpr std::array kNames = {
    Name{"boolean", TypeKind::kBoolean},
    Name{"smallint", TypeKind::kInteger},
    Name{"integer", TypeKind::kInteger},
    Name{"bigint", TypeKind::kBigint},
    Name{"real", TypeKind::kFloat},
    Name{"double precision", TypeKind::kDouble},
    Name{"text", TypeKind::kVarchar},
    Name{"character varying", TypeKind::kVarchar},
    Name{"bytea", TypeKind::kBlob},
    Name{"date", TypeKind::kDate},
    Name{"time without time zone", TypeKind::kTime},
    Name{"timestamp with time zone", TypeKind::kTimestamp},
    Name{"timestamp without time zone", TypeKind::kTimestamp},
    Name{"uuid", TypeKind::kUuid},
};

DataType plain(TypeKind kind) {
  DataType type;
  type.kind = kind;
  return type;
}

bool is_number(const DataType& type) {
  return type.kind == TypeKind::kInteger || type.kind == TypeKind::kBigint ||
         type.kind == TypeKind::kHugeint || type.kind == TypeKind::kDecimal;
}

/// What JSON keeps as it is; the rest is a text in it.
DataType in_json(const DataType& type) {
  const bool is_long = type.kind == TypeKind::kDecimal && type.precision > kDigitsOfDouble;
  if (is_long || type.kind == TypeKind::kHugeint) return plain(TypeKind::kVarchar);
  DataType kept = type;
  for (auto& child : kept.children) child.type = in_json(child.type);
  return kept;
}

bool holds_bytes(const DataType& type) {
  return type.kind == TypeKind::kBlob || std::ranges::any_of(type.children, [](const auto& child) {
           return holds_bytes(child.type);
         });
}

}  // namespace

bool is_nested(const DataType& type) {
  return type.kind == TypeKind::kList || type.kind == TypeKind::kStruct ||
         type.kind == TypeKind::kMap;
}

std::string to_postgres(const DataType& type) {
  switch (type.kind) {
    case TypeKind::kBoolean: return "boolean";
    case TypeKind::kInteger: return "integer";
    case TypeKind::kBigint: return "bigint";
    case TypeKind::kHugeint: return "numeric(38,0)";
    case TypeKind::kFloat: return "real";
    case TypeKind::kDouble: return "double precision";
    case TypeKind::kDecimal: return fmt::format("numeric({},{})", type.precision, type.scale);
    case TypeKind::kVarchar: return "text";
    case TypeKind::kBlob: return "bytea";
    case TypeKind::kDate: return "date";
    case TypeKind::kTime: return "time without time zone";
    case TypeKind::kTimestamp: return "timestamp with time zone";
    case TypeKind::kUuid: return "uuid";
    case TypeKind::kList:
    case TypeKind::kStruct:
    case TypeKind::kMap: return "jsonb";
  }
  return "text";
}

std::optional<DataType> from_postgres(std::string_view type, const DataType* declared) {
  for (const Name& name : kNames)
    if (type == name.text) return plain(name.kind);
  if (type == "jsonb" && declared != nullptr && is_nested(*declared)) return *declared;
  if (type == "numeric" && declared != nullptr && is_number(*declared)) return *declared;
  if (type.starts_with("numeric(")) {
    auto parsed = model::parse_type(type);
    if (parsed) return *std::move(parsed);
  }
  // One that is too short refuses the text; one that pads it, character(n), is not among them.
  if (type.starts_with("character varying(")) return plain(TypeKind::kVarchar);
  return std::nullopt;
}

std::string to_send(const DataType& type, const std::string& column) {
  if (!is_nested(type)) return column;
  return fmt::format("CAST(to_json(CAST({} AS {})) AS VARCHAR)", column,
                     model::to_duckdb(in_json(type)));
}

std::string to_read(std::string_view postgres_type, const DataType& type, const std::string& text) {
  // 0044-03-15 00:00:00+00 BC is 0044-03-15 (BC) 00:00:00+00 in DuckDB.
  const auto dated = [&](std::string_view as) {
    return fmt::format(R"(CAST(regexp_replace({}, '^([-0-9]+)(.*) BC$', '\1 (BC)\2') AS {}))", text,
                       as);
  };
  if (is_nested(type))
    return fmt::format("CAST(CAST(CAST({} AS JSON) AS {}) AS {})", text,
                       model::to_duckdb(in_json(type)), model::to_duckdb(type));
  switch (type.kind) {
    case TypeKind::kBlob: return fmt::format("unhex(substr({}, 3))", text);
    case TypeKind::kDate: return dated("DATE");
    case TypeKind::kTimestamp:
      return dated(postgres_type == "timestamp without time zone" ? "TIMESTAMP" : "TIMESTAMPTZ");
    case TypeKind::kVarchar: return text;
    default: return fmt::format("CAST({} AS {})", text, model::to_duckdb(type));
  }
}

Status check_name_fits(std::string_view name, std::string_view what) {
  if (name.size() <= kMostNameBytes) return {};
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("{} '{}' has {} bytes; PostgreSQL keeps {} of a name", what,
                                    name, name.size(), kMostNameBytes),
                        "give it a shorter name, in the SQL that makes it or with `columns:`");
}

Status check_columns(const model::Schema& columns) {
  for (const auto& column : columns) {
    WEIR_TRY(check_name_fits(column.name, "column"));
    if (is_nested(column.type) && holds_bytes(column.type))
      return fail_with_hint(ErrorCode::kUnsupported,
                            fmt::format("column '{}' is {}: JSON holds no bytes", column.name,
                                        model::to_text(column.type)),
                            "make a text of them with base64(…) before they are loaded");
  }
  return {};
}

}  // namespace weir::warehouse::postgres
