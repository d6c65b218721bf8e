// DuckDB's Parquet reader asks for the footer, then for the column chunks that a query needs, near
// ones in one range; OnDiskFile() says that reads are dear. DuckDB reads from many threads at once.

#include "sql/duckdb/object_file_system.h"

#include <algorithm>
#include <cstring>

#include <duckdb/common/exception.hpp>
#include <duckdb/common/file_system.hpp>
#include <duckdb/common/multi_file/multi_file_list.hpp>
#include <duckdb/common/types/timestamp.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/database.hpp>

namespace weir::sql {
namespace {

/// Whose headers these are; see cmake/deps.lock.
constexpr std::string_view kHeadersVersion = "v1.5.5";
/// More at once would be memory that DuckDB does not count.
constexpr int64_t kPieceBytes = int64_t{16} << 20;
constexpr std::string_view kMark = " [weir:";

[[noreturn]] void raise(const Error& error) { throw duckdb::IOException(wrap_store_error(error)); }

class ObjectHandle final : public duckdb::FileHandle {
 public:
  ObjectHandle(duckdb::FileSystem& system, const std::string& uri, duckdb::FileOpenFlags how,
               ObjectFiles::File opened)
      : FileHandle(system, uri, how), file(std::move(opened)) {}
  void Close() override {}

  const ObjectFiles::File file;
  duckdb::idx_t position = 0;
};

ObjectHandle& as_object(duckdb::FileHandle& handle) { return static_cast<ObjectHandle&>(handle); }

/// What is not here cannot be done to objects: DuckDB's own words refuse it.
class ObjectFileSystem final : public duckdb::FileSystem {
 public:
  explicit ObjectFileSystem(const ObjectFiles& files) : files_(files) {}

  std::string GetName() const override { return "ObjectFileSystem"; }
  bool CanHandleFile(const std::string& path) override { return path.starts_with(kObjectScheme); }
  bool CanSeek() override { return true; }
  bool OnDiskFile(duckdb::FileHandle& /*handle*/) override { return false; }
  std::string PathSeparator(const std::string& /*path*/) override { return "/"; }
  std::string CanonicalizePath(const std::string& path,
                               duckdb::optional_ptr<duckdb::FileOpener> /*opener*/) override {
    return path;
  }
  bool IsPipe(const std::string& /*path*/,
              duckdb::optional_ptr<duckdb::FileOpener> /*opener*/) override {
    return false;
  }
  bool FileExists(const std::string& path,
                  duckdb::optional_ptr<duckdb::FileOpener> /*opener*/) override {
    return files_.find(path).has_value();
  }
  duckdb::vector<duckdb::OpenFileInfo> Glob(const std::string& path,
                                            duckdb::FileOpener* /*opener*/) override {
    duckdb::vector<duckdb::OpenFileInfo> found;
    if (files_.find(path)) found.emplace_back(path);
    return found;
  }

  duckdb::unique_ptr<duckdb::FileHandle> OpenFile(
      const std::string& path, duckdb::FileOpenFlags flags,
      duckdb::optional_ptr<duckdb::FileOpener> /*opener*/) override {
    if (flags.OpenForWriting())
      throw duckdb::PermissionException("objects are read only: '%s'", path);
    auto file = files_.find(path);
    if (!file) {
      if (flags.ReturnNullIfNotExists()) return nullptr;
      throw duckdb::IOException("there is no object '%s'", path);
    }
    return duckdb::make_uniq<ObjectHandle>(*this, path, flags, *std::move(file));
  }

  void Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes,
            duckdb::idx_t location) override {
    const ObjectHandle& object = as_object(handle);
    if (read_at(object, buffer, bytes, static_cast<int64_t>(location)) == bytes) return;
    raise({ErrorCode::kCorrupt,
           fmt::format("'{}' in '{}' ends before byte {}, as its footer has it",
                       object.file.entry.name, object.file.store->uri(),
                       static_cast<int64_t>(location) + bytes),
           {},
           {},
           std::nullopt});
  }
  int64_t Read(duckdb::FileHandle& handle, void* buffer, int64_t bytes) override {
    ObjectHandle& object = as_object(handle);
    const int64_t there = object.file.entry.size_bytes - static_cast<int64_t>(object.position);
    const int64_t done = read_at(object, buffer, std::clamp<int64_t>(there, 0, bytes),
                                 static_cast<int64_t>(object.position));
    object.position += static_cast<duckdb::idx_t>(done);
    return done;
  }
  void Seek(duckdb::FileHandle& handle, duckdb::idx_t location) override {
    as_object(handle).position = location;
  }
  duckdb::idx_t SeekPosition(duckdb::FileHandle& handle) override {
    return as_object(handle).position;
  }

  int64_t GetFileSize(duckdb::FileHandle& handle) override {
    return as_object(handle).file.entry.size_bytes;
  }
  duckdb::FileType GetFileType(duckdb::FileHandle& /*handle*/) override {
    return duckdb::FileType::FILE_TYPE_REGULAR;
  }
  duckdb::timestamp_t GetLastModifiedTime(duckdb::FileHandle& handle) override {
    return duckdb::timestamp_t(as_object(handle).file.entry.modified_at_us);
  }
  std::string GetVersionTag(duckdb::FileHandle& handle) override {
    return as_object(handle).file.entry.version;
  }

 private:
  static int64_t read_at(const ObjectHandle& object, void* buffer, int64_t bytes,
                         int64_t location) {
    int64_t done = 0;
    while (done < bytes) {
      const int64_t wanted = std::min(kPieceBytes, bytes - done);
      const auto piece = object.file.store->read(object.file.entry.name, {location + done, wanted});
      if (!piece) raise(piece.error());
      std::memcpy(static_cast<char*>(buffer) + done, piece->data(), piece->size());
      done += static_cast<int64_t>(piece->size());
      if (static_cast<int64_t>(piece->size()) < wanted) break;
    }
    return done;
  }

  const ObjectFiles& files_;
};

}  // namespace

Status register_object_files(duckdb_connection connection, const ObjectFiles& files) {
  if (duckdb_library_version() != kHeadersVersion)
    return fail_with_hint(ErrorCode::kInternal,
                          fmt::format("libduckdb is {}, this program was built for {}",
                                      duckdb_library_version(), kHeadersVersion),
                          "use the library that weir comes with");
  try {
    // What the C API hands out as a connection, as its own implementation takes it back.
    auto& opened = *reinterpret_cast<duckdb::Connection*>(connection);
    opened.context->db->GetFileSystem().RegisterSubSystem(
        duckdb::make_uniq<ObjectFileSystem>(files));
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, "DuckDB takes no file system: {}", error.what());
  }
  return {};
}

std::string wrap_store_error(const Error& error) {
  std::string message = error.message;
  for (const auto& step : error.trail) message += ", while " + step;
  return fmt::format("{}{}{}|{}]", message, kMark, to_text(error.code), error.hint);
}

std::optional<Error> unwrap_store_error(std::string_view message) {
  constexpr std::string_view kDuckdbs = "IO Error: ";
  const auto mark = message.rfind(kMark);
  if (mark == std::string_view::npos) return std::nullopt;
  const auto code_at = mark + kMark.size();
  const auto bar = message.find('|', code_at);
  const auto end = message.rfind(']');
  if (bar == std::string_view::npos || end == std::string_view::npos || end < bar)
    return std::nullopt;
  const auto code = error_code_from_text(message.substr(code_at, bar - code_at));
  if (!code) return std::nullopt;
  const auto begin = message.starts_with(kDuckdbs) ? kDuckdbs.size() : 0;
  return Error{*code,
               std::string(message.substr(begin, mark - begin)),
               {},
               std::string(message.substr(bar + 1, end - bar - 1)),
               std::nullopt};
}

}  // namespace weir::sql
