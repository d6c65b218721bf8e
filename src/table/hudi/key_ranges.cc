#include "table/hudi/key_ranges.h"

#include <arrow/util/utf8.h>

#include "parquet/parquet.h"

namespace weir::table {
namespace {

using Ends = std::pair<std::shared_ptr<arrow::Scalar>, std::shared_ptr<arrow::Scalar>>;

/// A commit is read often: a long text is not worth its place.
constexpr size_t kLongestText = 256;

bool has_range(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::DATE32:
    case arrow::Type::DECIMAL128:
    case arrow::Type::STRING: return true;
    default: return false;
  }
}

/// Where the least and the greatest value lie by `value(i)`; −1 where there is none.
template <typename Value>
std::pair<int64_t, int64_t> places_of_ends(const arrow::Array& values, const Value& value) {
  std::pair<int64_t, int64_t> ends{-1, -1};
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) continue;
    if (ends.first < 0 || value(i) < value(ends.first)) ends.first = i;
    if (ends.second < 0 || value(ends.second) < value(i)) ends.second = i;
  }
  return ends;
}

template <typename Array>
std::pair<int64_t, int64_t> places_in(const arrow::Array& values) {
  const auto& typed = static_cast<const Array&>(values);
  return places_of_ends(values, [&](int64_t i) { return typed.GetView(i); });
}

std::pair<int64_t, int64_t> places_of_ends(const arrow::Array& values) {
  switch (values.type_id()) {
    case arrow::Type::INT32: return places_in<arrow::Int32Array>(values);
    case arrow::Type::INT64: return places_in<arrow::Int64Array>(values);
    case arrow::Type::DATE32: return places_in<arrow::Date32Array>(values);
    case arrow::Type::STRING: return places_in<arrow::StringArray>(values);
    default: break;
  }
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(values);
  return places_of_ends(values, [&](int64_t i) { return arrow::Decimal128(decimals.GetValue(i)); });
}

/// Both null where there is no value.
Result<Ends> ends_of(const arrow::Array& values) {
  const auto [least, greatest] = places_of_ends(values);
  if (least < 0) return Ends{};
  Ends ends;
  auto status = values.GetScalar(least).Value(&ends.first);
  if (status.ok()) status = values.GetScalar(greatest).Value(&ends.second);
  if (!status.ok()) return std::unexpected(parquet::to_error(status));
  return ends;
}

bool can_be_told(const std::string& text) {
  return text.size() <= kLongestText && text.find('\0') == std::string::npos &&
         arrow::util::ValidateUTF8(text);
}

}  // namespace

KeyRangesOfFile::KeyRangesOfFile(const arrow::Schema& schema,
                                 const std::vector<std::string>& columns) {
  arrow::util::InitializeUTF8();
  for (const auto& name : columns) {
    const int place = schema.GetFieldIndex(name);
    if (place < 0 || !has_range(*schema.field(place)->type())) continue;
    columns_.emplace_back(place, schema.field(place));
  }
  ends_.resize(columns_.size());
}

Status KeyRangesOfFile::take(const arrow::ArrayVector& rows) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    WEIR_ASSIGN(const Ends ends, ends_of(*rows[static_cast<size_t>(columns_[i].first)]));
    for (const auto& end : {ends.first, ends.second}) {
      if (end != nullptr) ends_[i].push_back(end);
    }
  }
  return {};
}

Result<std::vector<KeyRange>> KeyRangesOfFile::ranges() const {
  std::vector<KeyRange> ranges;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (ends_[i].empty()) continue;
    std::unique_ptr<arrow::ArrayBuilder> builder;
    auto status =
        arrow::MakeBuilder(arrow::default_memory_pool(), columns_[i].second->type(), &builder);
    if (status.ok()) status = builder->AppendScalars(ends_[i]);
    std::shared_ptr<arrow::Array> all;
    if (status.ok()) status = builder->Finish(&all);
    if (!status.ok()) return std::unexpected(parquet::to_error(status));
    WEIR_ASSIGN(const Ends ends, ends_of(*all));
    KeyRange range{columns_[i].second->name(), ends.first->ToString(), ends.second->ToString()};
    if (can_be_told(range.least) && can_be_told(range.greatest)) ranges.push_back(std::move(range));
  }
  return ranges;
}

}  // namespace weir::table
