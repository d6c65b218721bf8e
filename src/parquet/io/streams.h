#pragma once

/// Storage as Arrow sees files: one object being written, one being read. The Error of the store is
/// kept beside Arrow's Status, which has no room for our codes.

#include <mutex>
#include <optional>
#include <string>

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include "base/check.h"
#include "base/result.h"
#include "storage/storage.h"

namespace weir::parquet {

/// Hands what Arrow writes to a storage::Writer in pieces of some size.
class ObjectSink final : public arrow::io::OutputStream {
 public:
  explicit ObjectSink(std::unique_ptr<storage::Writer> writer) : writer_(std::move(writer)) {
    set_mode(arrow::io::FileMode::WRITE);
  }

  arrow::Status Write(const void* data, int64_t size_bytes) override;
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Flush() override;
  arrow::Status Close() override;
  bool closed() const override { return is_closed_; }

  /// From now on everything is swallowed: Arrow's writer ends itself when it is destroyed.
  void discard() noexcept;
  Result<storage::Written> commit(storage::Put mode);
  const std::optional<Error>& error() const { return error_; }

 private:
  std::unique_ptr<storage::Writer> writer_;
  std::string pending_;
  int64_t position_ = 0;
  bool is_closed_ = false;
  bool is_discarded_ = false;
  std::optional<Error> error_;
};

/// Ranges of one object. Arrow reads from several threads at once.
class ObjectSource final : public arrow::io::RandomAccessFile {
 public:
  ObjectSource(storage::Storage& store, std::string name, int64_t size_bytes)
      : store_(store), name_(std::move(name)), size_bytes_(size_bytes) {
    set_mode(arrow::io::FileMode::READ);
  }

  arrow::Result<int64_t> GetSize() override { return size_bytes_; }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t size_bytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position,
                                                       int64_t size_bytes) override;
  arrow::Result<int64_t> Read(int64_t size_bytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t size_bytes) override;
  arrow::Status Seek(int64_t position) override;
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override;
  bool closed() const override { return is_closed_; }

  /// The first failure of the store, if there was one.
  std::optional<Error> error() const;

 private:
  arrow::Result<std::string> fetch(int64_t position, int64_t size_bytes);

  storage::Storage& store_;
  std::string name_;
  int64_t size_bytes_;
  int64_t position_ = 0;
  bool is_closed_ = false;
  mutable std::mutex mutex_;
  std::optional<Error> error_ WEIR_GUARDED_BY(mutex_);
};

/// What is told when Arrow fails over this object: the store's own error where it had one, else
/// `code` where Arrow says I/O error (its Parquet reader says so of bad bytes).
Error blame(const std::optional<Error>& of_store, const arrow::Status& status, ErrorCode code);

/// Runs `body` and turns what Arrow's Parquet library throws into a Status.
template <typename Body>
arrow::Status without_exceptions(Body&& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return arrow::Status::OutOfMemory("out of memory");
  } catch (const std::exception& thrown) {
    return arrow::Status::IOError(thrown.what());
  }
}

}  // namespace weir::parquet
