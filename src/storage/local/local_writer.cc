#include "storage/local/local_writer.h"

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/local/file_error.h"
#include "storage/local/listing.h"

namespace weir::storage::local {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;
constexpr mode_t kFileMode = 0666;  // less the umask
constexpr const char* kLockLeaf = ".weir-tmp-lock";
constexpr timespec kMoment{0, 1'000'000};

/// False with errno: EWOULDBLOCK where another holds it for longer than anybody needs it.
bool take_lock(const Descriptor& lock) {
  constexpr int kMostMoments = 10'000;
  for (int i = 0; lock.is_open() && i < kMostMoments; ++i) {
    if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    nanosleep(&kMoment, nullptr);
    errno = EWOULDBLOCK;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Writer>> LocalWriter::start(Target target) {
  Descriptor file(openat(target.folder.get(), target.temporary_leaf.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  if (!file.is_open()) return file_failure(errno, "create a file beside", target.path);
  return std::make_unique<LocalWriter>(std::move(target), std::move(file));
}

Status LocalWriter::append(std::string_view bytes) {
  WEIR_CHECK(!is_finished_);
  if (failure_) return std::unexpected(*failure_);
  // Piece by piece: what was hashed just now is written out of the cache.
  while (bytes.size() > kBufferBytes) {
    WEIR_TRY(append_piece(bytes.substr(0, kBufferBytes)));
    bytes.remove_prefix(kBufferBytes);
  }
  return append_piece(bytes);
}

Status LocalWriter::append_piece(std::string_view bytes) {
  digest_.update(bytes);
  size_bytes_ += static_cast<int64_t>(bytes.size());
  if (buffer_.size() + bytes.size() < kBufferBytes) {
    buffer_ += bytes;
    return {};
  }
  WEIR_TRY(write_out(buffer_));
  buffer_.clear();
  if (bytes.size() < kBufferBytes) {
    buffer_ = bytes;
    return {};
  }
  return write_out(bytes);
}

Status LocalWriter::write_out(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      failure_ = file_failure(errno, "write", target_.path).error();
      return std::unexpected(*failure_);
    }
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

Result<Written> LocalWriter::commit(Put mode) {
  WEIR_CHECK(!is_finished_);
  Status done = make_lasting();
  if (done) done = publish(mode);
  return finish(std::move(done), mode == Put::kReplace ? Leaves::kNothing : Leaves::kTemporaryName);
}

Result<Written> LocalWriter::commit_if_version(const std::string& version) {
  WEIR_CHECK(!is_finished_ && !version.empty());
  Status done = make_lasting();
  if (done) done = publish_if_version(version);
  return finish(std::move(done), Leaves::kNothing);
}

Result<Written> LocalWriter::finish(Status published, Leaves leaves) {
  if (published && leaves == Leaves::kNothing)
    is_finished_ = true;  // the temporary name is the object's now
  else
    abort();
  if (!published) return std::unexpected(std::move(published).error());
  // The name is there; only now can a failure leave its outcome open.
  if (fsync(target_.folder.get()) != 0) {
    Error failure = file_failure(errno, "sync the folder of", target_.path).error();
    failure.code = ErrorCode::kOutcomeUnknown;
    return std::unexpected(std::move(failure));
  }
  return Written{size_bytes_, digest_.finish_hex()};
}

Status LocalWriter::make_lasting() {
  if (failure_) return std::unexpected(*failure_);
  WEIR_TRY(write_out(buffer_));
  // Never tried again: after a failed fsync the kernel may have dropped the pages and call them
  // clean.
  if (fsync(file_.get()) != 0) return file_failure(errno, "sync", target_.path);
  if (file_.close() != 0) return file_failure(errno, "close", target_.path);
  return {};
}

Status LocalWriter::publish(Put mode) {
  if (mode == Put::kIfAbsent) return publish_if_absent();
  const int folder = target_.folder.get();
  if (renameat(folder, target_.temporary_leaf.c_str(), folder, target_.leaf.c_str()) != 0)
    return std::unexpected(publish_failure(errno));
  return {};
}

Status LocalWriter::publish_if_version(const std::string& version) {
  const int folder = target_.folder.get();
  WEIR_ASSIGN(const Descriptor lock, lock_folder());
  struct stat there{};
  if (fstatat(folder, target_.leaf.c_str(), &there, 0) != 0 && errno != ENOENT)
    return file_failure(errno, "look at", target_.path);
  if (!S_ISREG(there.st_mode) || entry_of(target_.leaf, there).version != version)
    return fail(ErrorCode::kConflict, "'{}' is not of version '{}' any more", target_.path,
                version);
  WEIR_TRY(let_time_pass_since(there));
  return publish(Put::kReplace);
}

/// Held until the descriptor is closed, also by the death of the process.
Result<Descriptor> LocalWriter::lock_folder() const {
  // A descriptor of its own: a copy would share the lock, and threads would not wait for each
  // other.
  Descriptor lock(openat(target_.folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (take_lock(lock)) return lock;
  if (errno != EWOULDBLOCK) {
    // NFS locks only what is open for writing, and no folder is: a file in it stands for it there.
    lock = Descriptor(openat(target_.folder.get(), kLockLeaf,
                             O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kFileMode));
    if (take_lock(lock)) return lock;
  }
  if (errno == EWOULDBLOCK)
    return fail_with_hint(
        ErrorCode::kUnavailable,
        fmt::format("another process holds the folder of '{}'", target_.path),
        "it holds it for some ms, unless it was stopped: let it go on, or end it");
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format("the file system cannot lock the folder of '{}': {}", target_.path,
                  std::generic_category().message(errno)),
      "keep the project on a file system that has flock (ext4, xfs, btrfs, NFS with its locks on)");
}

/// A version is inode and change time. A file that replaces one may get the inode of the one before
/// that, so the time must be another: by the file system's own clock, whose ticks take some ms.
Status LocalWriter::let_time_pass_since(const struct stat& there) const {
  constexpr int kMostTicks = 100;
  const int folder = target_.folder.get();
  const char* const leaf = target_.temporary_leaf.c_str();
  for (int i = 0; i < kMostTicks; ++i) {
    struct stat ours{};
    if (utimensat(folder, leaf, nullptr, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(folder, leaf, &ours, AT_SYMLINK_NOFOLLOW) != 0)
      return file_failure(errno, "touch the file beside", target_.path);
    const auto at = [](const struct stat& file) {
      return std::pair(file.st_ctim.tv_sec, file.st_ctim.tv_nsec);
    };
    if (at(ours) > at(there)) return {};
    nanosleep(&kMoment, nullptr);
  }
  return {};  // A clock that was set back: this time is another one all the same.
}

Status LocalWriter::publish_if_absent() {
  const int folder = target_.folder.get();
  if (linkat(folder, target_.temporary_leaf.c_str(), folder, target_.leaf.c_str(), 0) == 0)
    return {};
  const int error_number = errno;
  if (error_number == EEXIST && is_folder_in_the_way())
    return std::unexpected(publish_failure(EISDIR));
  if (error_number == EEXIST)
    return fail(ErrorCode::kAlreadyExists, "'{}' exists already", target_.path);
  if (error_number == EPERM || error_number == EOPNOTSUPP)
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("the file system of '{}' makes no hard links", target_.path),
                          "keep the project on a POSIX file system (ext4, xfs, btrfs, NFS)");
  return std::unexpected(publish_failure(error_number));
}

Error LocalWriter::publish_failure(int error_number) const {
  Error failure = file_failure(error_number, "publish", target_.path).error();
  if (may_have_acted(error_number)) failure.code = ErrorCode::kOutcomeUnknown;
  // Somebody removed the temporary file or its folder: nothing was published.
  if (error_number == ENOENT) failure.code = ErrorCode::kUnavailable;
  return failure;
}

bool LocalWriter::is_folder_in_the_way() const {
  struct stat found{};
  return fstatat(target_.folder.get(), target_.leaf.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(found.st_mode);
}

void LocalWriter::abort() noexcept {
  if (is_finished_) return;
  is_finished_ = true;
  file_.close();
  unlinkat(target_.folder.get(), target_.temporary_leaf.c_str(), 0);
}

}  // namespace weir::storage::local
