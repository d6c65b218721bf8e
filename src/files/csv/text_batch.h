#pragma once

/// Fields of records on their way into Arrow batches of text. It knows nothing of delimited files.

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

namespace weir::files {

/// Readable bytes behind the window that texts are taken from, so that copies may go by as many.
constexpr size_t kWindowSlack = 16;

/// The texts of one column on their way into an Arrow array. Not Arrow's builder: this is the
/// innermost loop, and copying 16 bytes at a time without asking is most of its speed.
class TextColumn {
 public:
  void start(size_t rows);

  void add(std::string_view text) {
    reserve(text.size());
    std::memcpy(bytes_.get() + size_, text.data(), text.size());
    done(text.size());
  }
  /// The same where kWindowSlack bytes behind the text may be read.
  void add_from_window(std::string_view text) {
    reserve(text.size());
    char* to = bytes_.get() + size_;
    for (size_t i = 0; i < text.size(); i += kWindowSlack)
      std::memcpy(to + i, text.data() + i, kWindowSlack);
    done(text.size());
  }
  void add_null() {
    nulls_.push_back(static_cast<int32_t>(offsets_.size() - 1));
    offsets_.push_back(static_cast<int32_t>(size_));
  }
  /// Takes the last row back.
  void drop_last() {
    offsets_.pop_back();
    size_ = static_cast<size_t>(offsets_.back());
    if (!nulls_.empty() && nulls_.back() == static_cast<int32_t>(offsets_.size() - 1)) {
      nulls_.pop_back();
    }
  }
  int64_t nulls() const { return static_cast<int64_t>(nulls_.size()); }
  /// All rows since start(); it must be started again after it.
  std::shared_ptr<arrow::Array> finish();

 private:
  void reserve(size_t more) {
    if (size_ + more + kWindowSlack > capacity_) grow(more);
  }
  void grow(size_t more);
  void done(size_t size) {
    size_ += size;
    offsets_.push_back(static_cast<int32_t>(size_));
  }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  std::vector<int32_t> offsets_;
  std::vector<int32_t> nulls_;
};

/// The batch that is being filled: columns `c0`, `c1`, … of text.
class TextBatch {
 public:
  explicit TextBatch(size_t columns);

  TextColumn& column(size_t i) { return columns_[i]; }
  void row_is_done(int64_t bytes) {
    ++rows_;
    bytes_ += bytes;
  }
  int64_t rows() const { return rows_; }
  int64_t bytes() const { return bytes_; }

  /// Hands the rows over, where there are any, counts their nulls, and starts afresh.
  void flush(std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
             std::vector<int64_t>& nulls);

 private:
  void start();

  std::vector<TextColumn> columns_;
  arrow::FieldVector fields_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace weir::files
