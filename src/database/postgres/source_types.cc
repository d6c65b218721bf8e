#include "database/postgres/source_types.h"

#include <algorithm>

namespace weir::database::postgres {
namespace {

using model::DataType;
using model::quote_name;
using model::quote_text;
using model::TypeKind;

// OIDs of PostgreSQL's own types: part of its protocol, the same in every server.
enum Oid : uint32_t {
  kBoolOid = 16,
  kByteaOid = 17,
  kInt8Oid = 20,
  kInt2Oid = 21,
  kInt4Oid = 23,
  kTextOid = 25,
  kJsonOid = 114,
  kFloat4Oid = 700,
  kFloat8Oid = 701,
  kMoneyOid = 790,
  kBpcharOid = 1042,
  kVarcharOid = 1043,
  kDateOid = 1082,
  kTimeOid = 1083,
  kTimestampOid = 1114,
  kTimestamptzOid = 1184,
  kNumericOid = 1700,
  kUuidOid = 2950,
  kJsonbOid = 3802,
};

DataType plain(TypeKind kind) { return {kind, 0, 0, {}}; }

/// What a value of a type becomes; nothing where it is read as its text.
struct Natural {
  CopyWire wire;
  DataType type;
  bool is_free_numeric = false;
};

/// numeric(p,s) with what weir's decimals hold; others are texts unless the dataset says what.
Natural natural_numeric(int32_t modifier) {
  constexpr int kMostDigits = 38;
  Natural free = {CopyWire::kNumeric, plain(TypeKind::kVarchar), true};
  if (modifier < 4) return free;
  int precision = ((modifier - 4) >> 16) & 0xFFFF;
  int scale = (modifier - 4) & 0x7FF;  // eleven bits with a sign, since PostgreSQL 15
  if (scale >= 1024) scale -= 2048;
  if (scale < 0) {
    precision -= scale;
    scale = 0;
  }
  precision = std::max(precision, scale);
  if (precision > kMostDigits) return free;
  return {CopyWire::kNumeric, DataType{TypeKind::kDecimal, precision, scale, {}}};
}

std::optional<Natural> natural_of(uint32_t oid, int32_t modifier) {
  switch (oid) {
    case kBoolOid: return Natural{CopyWire::kBool, plain(TypeKind::kBoolean)};
    case kInt2Oid: return Natural{CopyWire::kInt2, plain(TypeKind::kInteger)};
    case kInt4Oid: return Natural{CopyWire::kInt4, plain(TypeKind::kInteger)};
    case kInt8Oid: return Natural{CopyWire::kInt8, plain(TypeKind::kBigint)};
    case kFloat4Oid: return Natural{CopyWire::kFloat4, plain(TypeKind::kFloat)};
    case kFloat8Oid: return Natural{CopyWire::kFloat8, plain(TypeKind::kDouble)};
    case kNumericOid: return natural_numeric(modifier);
    case kTextOid:
    case kVarcharOid:
    case kJsonOid: return Natural{CopyWire::kText, plain(TypeKind::kVarchar)};
    case kJsonbOid: return Natural{CopyWire::kJsonb, plain(TypeKind::kVarchar)};
    case kByteaOid: return Natural{CopyWire::kBytes, plain(TypeKind::kBlob)};
    case kDateOid: return Natural{CopyWire::kDate, plain(TypeKind::kDate)};
    case kTimeOid: return Natural{CopyWire::kTime, plain(TypeKind::kTime)};
    case kTimestampOid:
    case kTimestamptzOid: return Natural{CopyWire::kTimestamp, plain(TypeKind::kTimestamp)};
    case kUuidOid: return Natural{CopyWire::kUuid, plain(TypeKind::kUuid)};
    default: return std::nullopt;  // char(n) among them: its text has no blanks behind
  }
}

DataType list_of(DataType element) {
  DataType list = plain(TypeKind::kList);
  list.children.push_back({"element", std::move(element), true});
  return list;
}

void place_in_time(PostgresColumn& own, const std::string& timezone) {
  if (timezone.empty() || timezone == "UTC" || own.is_array) return;
  own.expression = fmt::format("({} AT TIME ZONE {})", own.expression, quote_text(timezone));
}

}  // namespace

PostgresColumn describe(const std::string& name, const ServerType& type,
                        const std::string& timezone) {
  PostgresColumn own;
  SourceColumn& column = own.column;
  column.name = name;
  column.type_name = type.name;
  own.expression = quote_name(name);
  own.is_array = type.element != 0;
  const uint32_t value = own.is_array ? type.element : type.oid;
  column.is_zoneless = value == kTimestampOid;
  if (column.is_zoneless) place_in_time(own, timezone);
  // Money's digits depend on the server's locale; as numeric it is what it is.
  if (value == kMoneyOid) own.expression += own.is_array ? "::numeric[]" : "::numeric";
  auto natural = natural_of(value == kMoneyOid ? uint32_t{kNumericOid} : value, type.modifier);
  if (column.is_zoneless && own.is_array && timezone != "UTC")
    natural.reset();  // no server places whole arrays
  if (!natural) {
    own.expression = quote_name(name) + (own.is_array ? "::text[]" : "::text");
    natural = Natural{CopyWire::kText, plain(TypeKind::kVarchar)};
  }
  own.wire = natural->wire;
  column.is_free = natural->is_free_numeric;
  column.type = own.is_array ? list_of(std::move(natural->type)) : std::move(natural->type);
  return own;
}

std::optional<PostgresColumn> fit(const PostgresColumn& own, const DataType& type) {
  if (own.column.type == type) return own;
  PostgresColumn other = own;
  other.column.type = type;
  other.column.is_free = false;
  if (type.kind == TypeKind::kVarchar) {
    // jsonb, uuid and numeric are texts already; the rest as PostgreSQL writes it.
    other.is_array = false;
    if (!own.is_array && can_decode(own.wire, type)) return other;
    other.expression = quote_name(own.column.name) + "::text";
    other.wire = CopyWire::kText;
    return other;
  }
  const bool is_list = type.kind == TypeKind::kList;
  if (is_list != own.is_array) return std::nullopt;
  const DataType& value = is_list ? type.children.at(0).type : type;
  const DataType& natural = is_list ? own.column.type.children.at(0).type : own.column.type;
  if (!can_decode(own.wire, value)) return std::nullopt;
  if (own.column.is_free || natural == value || model::widens(natural, value)) return other;
  return std::nullopt;
}

}  // namespace weir::database::postgres
