#include "parquet/parquet.h"

#include <algorithm>

#include <arrow/api.h>

namespace weir::parquet {
namespace {

using model::DataType;
using model::TypeKind;

Result<std::shared_ptr<arrow::DataType>> type_to_arrow(const DataType& type);

Result<std::shared_ptr<arrow::DataType>> nested_to_arrow(const DataType& type) {
  arrow::FieldVector fields;
  for (const model::Column& child : type.children) {
    WEIR_ASSIGN(auto child_type, type_to_arrow(child.type));
    fields.push_back(arrow::field(child.name, std::move(child_type)));
  }
  if (type.kind == TypeKind::kStruct) {
    if (fields.empty()) return fail(ErrorCode::kUnsupported, "a struct without fields");
    return arrow::struct_(fields);
  }
  // The names that Parquet's format prescribes, so a file that is read back has an equal schema.
  if (type.kind == TypeKind::kList && fields.size() == 1)
    return arrow::list(arrow::field("element", fields[0]->type()));
  if (type.kind == TypeKind::kMap && fields.size() == 2)
    return arrow::map(fields[0]->type(), fields[1]->type());
  return fail(ErrorCode::kUnsupported, "type {} has {} children", model::to_text(type),
              type.children.size());
}

Result<std::shared_ptr<arrow::DataType>> type_to_arrow(const DataType& type) {
  switch (type.kind) {
    case TypeKind::kBoolean: return arrow::boolean();
    case TypeKind::kInteger: return arrow::int32();
    case TypeKind::kBigint: return arrow::int64();
    case TypeKind::kHugeint: return arrow::decimal128(38, 0);
    case TypeKind::kFloat: return arrow::float32();
    case TypeKind::kDouble: return arrow::float64();
    case TypeKind::kDecimal:
      if (type.precision < 1 || type.precision > 38 || type.scale < 0 ||
          type.scale > type.precision)
        return fail(ErrorCode::kUnsupported, "decimal({},{})", type.precision, type.scale);
      return arrow::decimal128(type.precision, type.scale);
    // Spark reads no UUID of Parquet: it is stored as its text.
    case TypeKind::kUuid:
    case TypeKind::kVarchar: return arrow::utf8();
    case TypeKind::kBlob: return arrow::binary();
    case TypeKind::kDate: return arrow::date32();
    case TypeKind::kTime: return arrow::time64(arrow::TimeUnit::MICRO);
    case TypeKind::kTimestamp: return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    case TypeKind::kList:
    case TypeKind::kStruct:
    case TypeKind::kMap: return nested_to_arrow(type);
  }
  return fail(ErrorCode::kUnsupported, "type {}", model::to_text(type));
}

Result<DataType> type_from_arrow(const arrow::DataType& type);

Result<DataType> decimal_from_arrow(const arrow::DataType& type) {
  const auto& decimal = static_cast<const arrow::DecimalType&>(type);
  if (decimal.precision() > 38 || decimal.scale() < 0 || decimal.scale() > decimal.precision())
    return fail(ErrorCode::kUnsupported, "type {}", type.ToString());
  return DataType{TypeKind::kDecimal, decimal.precision(), decimal.scale(), {}};
}

Result<DataType> nested_from_arrow(const arrow::DataType& type) {
  DataType out;
  if (type.id() == arrow::Type::STRUCT) {
    out.kind = TypeKind::kStruct;
    for (const auto& field : type.fields()) {
      WEIR_ASSIGN(DataType child, type_from_arrow(*field->type()));
      out.children.push_back({field->name(), std::move(child), true});
    }
  } else if (type.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(type);
    out.kind = TypeKind::kMap;
    WEIR_ASSIGN(DataType key, type_from_arrow(*map.key_type()));
    WEIR_ASSIGN(DataType value, type_from_arrow(*map.item_type()));
    out.children.push_back({"key", std::move(key), true});
    out.children.push_back({"value", std::move(value), true});
  } else {
    out.kind = TypeKind::kList;
    WEIR_ASSIGN(DataType child, type_from_arrow(*type.field(0)->type()));
    out.children.push_back({"element", std::move(child), true});
  }
  return out;
}

Result<DataType> timestamp_from_arrow(const arrow::DataType& type) {
  if (static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::NANO)
    return fail_with_hint(ErrorCode::kUnsupported, fmt::format("type {}", type.ToString()),
                          "weir keeps microseconds: cast the column to them at the source");
  return DataType{TypeKind::kTimestamp, 0, 0, {}};
}

Result<DataType> type_from_arrow(const arrow::DataType& type) {
  const auto plain = [](TypeKind kind) { return DataType{kind, 0, 0, {}}; };
  switch (type.id()) {
    case arrow::Type::BOOL: return plain(TypeKind::kBoolean);
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::INT32: return plain(TypeKind::kInteger);
    case arrow::Type::UINT32:
    case arrow::Type::INT64: return plain(TypeKind::kBigint);
    case arrow::Type::UINT64: return DataType{TypeKind::kDecimal, 20, 0, {}};
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT: return plain(TypeKind::kFloat);
    case arrow::Type::DOUBLE: return plain(TypeKind::kDouble);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256: return decimal_from_arrow(type);
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW: return plain(TypeKind::kVarchar);
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY: return plain(TypeKind::kBlob);
    case arrow::Type::DATE32: return plain(TypeKind::kDate);
    case arrow::Type::TIME64:
      if (static_cast<const arrow::Time64Type&>(type).unit() == arrow::TimeUnit::NANO) break;
      return plain(TypeKind::kTime);
    case arrow::Type::TIME32: return plain(TypeKind::kTime);
    case arrow::Type::TIMESTAMP: return timestamp_from_arrow(type);
    case arrow::Type::DICTIONARY:
      return type_from_arrow(*static_cast<const arrow::DictionaryType&>(type).value_type());
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
    case arrow::Type::MAP: return nested_from_arrow(type);
    default: break;
  }
  return fail(ErrorCode::kUnsupported, "type {}", type.ToString());
}

}  // namespace

Result<std::shared_ptr<arrow::Schema>> to_arrow(const model::Schema& schema) {
  arrow::FieldVector fields;
  for (const model::Column& column : schema) {
    WEIR_ASSIGN(auto type, while_doing(type_to_arrow(column.type),
                                       fmt::format("describing column '{}'", column.name)));
    fields.push_back(arrow::field(column.name, std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

Result<model::Schema> from_arrow(const arrow::Schema& schema) {
  model::Schema columns;
  for (const auto& field : schema.fields()) {
    WEIR_ASSIGN(DataType type, while_doing(type_from_arrow(*field->type()),
                                           fmt::format("reading column '{}'", field->name())));
    columns.push_back({field->name(), std::move(type), true});
  }
  return columns;
}

Error to_error(const arrow::Status& status) {
  ErrorCode code = ErrorCode::kInternal;
  if (status.IsIOError()) code = ErrorCode::kUnavailable;
  if (status.IsOutOfMemory() || status.IsCapacityError()) code = ErrorCode::kResourceExhausted;
  if (status.IsInvalid() || status.IsSerializationError()) code = ErrorCode::kCorrupt;
  if (status.IsNotImplemented()) code = ErrorCode::kUnsupported;
  if (status.IsCancelled()) code = ErrorCode::kCancelled;
  return Error{code, status.message(), {}, {}, std::nullopt};
}

}  // namespace weir::parquet
