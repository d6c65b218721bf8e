#include "warehouse/duckdb/file_lock.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace weir::warehouse::duckdb {
namespace {

std::string lock_path(const std::string& path) { return path + ".lock"; }

std::unexpected<Error> failed(const std::string& path, int error) {
  const auto code = error == EACCES || error == EROFS || error == EPERM ? ErrorCode::kDenied
                                                                        : ErrorCode::kUnavailable;
  return fail(code, "lock file '{}': {}", lock_path(path), std::strerror(error));
}

}  // namespace

Result<std::optional<FileLock>> FileLock::try_take(const std::string& path,
                                                   const std::string& holder) {
  const int descriptor = ::open(lock_path(path).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return failed(path, errno);
  FileLock lock(descriptor);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK || errno == EINTR) return std::nullopt;
    return failed(path, errno);
  }
  // Only for messages of those who wait: a failure to write it must not fail the load.
  if (::ftruncate(descriptor, 0) == 0 &&
      ::pwrite(descriptor, holder.data(), holder.size(), 0) < 0) {
    (void)::ftruncate(descriptor, 0);
  }
  return lock;
}

std::string FileLock::holder_of(const std::string& path) {
  const int descriptor = ::open(lock_path(path).c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::array<char, 512> buffer{};
  const auto size = ::pread(descriptor, buffer.data(), buffer.size(), 0);
  ::close(descriptor);
  return size > 0 ? std::string(buffer.data(), static_cast<size_t>(size)) : std::string();
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace weir::warehouse::duckdb
