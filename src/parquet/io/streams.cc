#include "parquet/io/streams.h"

#include <algorithm>
#include <cstring>

#include <arrow/buffer.h>
#include <arrow/result.h>

#include "parquet/parquet.h"

namespace weir::parquet {
namespace {

// Arrow writes headers of a few bytes between pages; a store may pay for every call.
constexpr size_t kPieceBytes = size_t{512} * 1024;

arrow::Status as_status(const Error& error) { return arrow::Status::IOError(error.message); }

}  // namespace

arrow::Status ObjectSink::Write(const void* data, int64_t size_bytes) {
  if (is_discarded_) return arrow::Status::OK();
  if (error_) return as_status(*error_);
  position_ += size_bytes;
  pending_.append(static_cast<const char*>(data), static_cast<size_t>(size_bytes));
  return pending_.size() < kPieceBytes ? arrow::Status::OK() : Flush();
}

arrow::Status ObjectSink::Flush() {
  if (is_discarded_ || pending_.empty()) return arrow::Status::OK();
  if (error_) return as_status(*error_);
  if (auto appended = writer_->append(pending_); !appended) {
    error_ = std::move(appended).error();
    return as_status(*error_);
  }
  pending_.clear();
  return arrow::Status::OK();
}

arrow::Status ObjectSink::Close() {
  is_closed_ = true;
  return Flush();
}

void ObjectSink::discard() noexcept {
  is_discarded_ = true;
  if (writer_) writer_->abort();
  writer_.reset();
}

Result<storage::Written> ObjectSink::commit(storage::Put mode) {
  if (!Flush().ok()) return std::unexpected(*error_);
  auto written = writer_->commit(mode);
  is_discarded_ = true;
  writer_.reset();
  return written;
}

arrow::Result<std::string> ObjectSource::fetch(int64_t position, int64_t size_bytes) {
  if (position < 0 || size_bytes < 0 || position > size_bytes_)
    return arrow::Status::Invalid("a read of ", size_bytes, " bytes at ", position, " of ",
                                  size_bytes_);
  size_bytes = std::min(size_bytes, size_bytes_ - position);
  if (size_bytes == 0) return std::string();
  auto bytes = store_.read(name_, {position, size_bytes});
  if (bytes && static_cast<int64_t>(bytes->size()) == size_bytes) return *std::move(bytes);
  Error error = bytes ? Error{ErrorCode::kCorrupt,
                              fmt::format("'{}' became shorter while it was read", name_),
                              {},
                              {},
                              std::nullopt}
                      : std::move(bytes).error();
  arrow::Status status = as_status(error);
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  return status;
}

arrow::Result<int64_t> ObjectSource::ReadAt(int64_t position, int64_t size_bytes, void* out) {
  ARROW_ASSIGN_OR_RAISE(const std::string bytes, fetch(position, size_bytes));
  std::memcpy(out, bytes.data(), bytes.size());
  return static_cast<int64_t>(bytes.size());
}

arrow::Result<std::shared_ptr<arrow::Buffer>> ObjectSource::ReadAt(int64_t position,
                                                                   int64_t size_bytes) {
  ARROW_ASSIGN_OR_RAISE(std::string bytes, fetch(position, size_bytes));
  return arrow::Buffer::FromString(std::move(bytes));
}

arrow::Result<int64_t> ObjectSource::Read(int64_t size_bytes, void* out) {
  ARROW_ASSIGN_OR_RAISE(const int64_t read_bytes, ReadAt(position_, size_bytes, out));
  position_ += read_bytes;
  return read_bytes;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> ObjectSource::Read(int64_t size_bytes) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, size_bytes));
  position_ += buffer->size();
  return buffer;
}

arrow::Status ObjectSource::Seek(int64_t position) {
  position_ = position;
  return arrow::Status::OK();
}

arrow::Status ObjectSource::Close() {
  is_closed_ = true;
  return arrow::Status::OK();
}

std::optional<Error> ObjectSource::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

Error blame(const std::optional<Error>& of_store, const arrow::Status& status, ErrorCode code) {
  if (of_store) return *of_store;
  Error error = to_error(status);
  if (status.IsIOError()) error.code = code;
  return error;
}

}  // namespace weir::parquet
