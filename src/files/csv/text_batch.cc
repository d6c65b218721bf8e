#include "files/csv/text_batch.h"

#include <algorithm>
#include <string>

#include <arrow/array.h>
#include <arrow/buffer.h>

namespace weir::files {
namespace {

// Bytes that Arrow holds on to.
class OwnedBuffer final : public arrow::Buffer {
 public:
  OwnedBuffer(std::unique_ptr<char[]> bytes, size_t size)
      : arrow::Buffer(reinterpret_cast<const uint8_t*>(bytes.get()), static_cast<int64_t>(size)),
        bytes_(std::move(bytes)) {}

 private:
  std::unique_ptr<char[]> bytes_;
};

}  // namespace

void TextColumn::start(size_t rows) {
  offsets_ = {};
  offsets_.reserve(rows + 1);
  offsets_.push_back(0);
  nulls_.clear();
  capacity_ = std::max<size_t>(4096, capacity_);
  bytes_ = std::make_unique_for_overwrite<char[]>(capacity_);
  size_ = 0;
}

std::shared_ptr<arrow::Array> TextColumn::finish() {
  const auto rows = static_cast<int64_t>(offsets_.size()) - 1;
  std::shared_ptr<arrow::Buffer> validity;
  if (!nulls_.empty()) {
    std::string bits(static_cast<size_t>(rows + 7) / 8, '\xFF');
    for (const int32_t row : nulls_) {
      char& byte = bits[static_cast<size_t>(row) / 8];
      byte = static_cast<char>(static_cast<uint8_t>(byte) & ~(1U << (row % 8)));
    }
    validity = arrow::Buffer::FromString(std::move(bits));
  }
  auto data = std::make_shared<OwnedBuffer>(std::move(bytes_), size_);
  auto offsets = arrow::Buffer::FromVector(std::move(offsets_));
  return arrow::MakeArray(arrow::ArrayData::Make(arrow::utf8(), rows,
                                                 {validity, std::move(offsets), std::move(data)},
                                                 static_cast<int64_t>(nulls_.size())));
}

void TextColumn::grow(size_t more) {
  capacity_ = std::max(capacity_ * 2, size_ + more + kWindowSlack);
  auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
  std::memcpy(grown.get(), bytes_.get(), size_);
  bytes_ = std::move(grown);
}

TextBatch::TextBatch(size_t columns) : columns_(columns) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    fields_.push_back(arrow::field("c" + std::to_string(i), arrow::utf8()));
  }
  start();
}

void TextBatch::flush(std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                      std::vector<int64_t>& nulls) {
  if (rows_ == 0) return;
  std::vector<std::shared_ptr<arrow::Array>> arrays;
  nulls.resize(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    nulls[i] += columns_[i].nulls();
    arrays.push_back(columns_[i].finish());
  }
  batches.push_back(arrow::RecordBatch::Make(arrow::schema(fields_), rows_, std::move(arrays)));
  start();
}

void TextBatch::start() {
  for (TextColumn& column : columns_) column.start(static_cast<size_t>(rows_) + 64);
  rows_ = 0;
  bytes_ = 0;
}

}  // namespace weir::files
