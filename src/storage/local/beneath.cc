#include "storage/local/beneath.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "storage/local/file_error.h"

namespace weir::storage::local {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr mode_t kFolderMode = 0777;  // less the umask

/// Makes the folder `leaf` in `parent`; whether it is new. An existing one is no error.
Result<bool> make_folder(int parent, const std::string& leaf, const std::string& path) {
  if (faccessat(parent, leaf.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) return false;
  if (mkdirat(parent, leaf.c_str(), kFolderMode) == 0) return true;
  if (errno == EEXIST) return false;
  return file_failure(errno, "make the folder", path);
}

Status sync_folder(const Descriptor& folder, const std::string& path) {
  if (fsync(folder.get()) == 0) return {};
  return file_failure(errno, "sync the folder", path);
}

}  // namespace

int Descriptor::close() {
  const int number = release();
  return number >= 0 ? ::close(number) : 0;
}

Descriptor open_beneath(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: a rename elsewhere raced with a '..' of a link; the kernel asks to try again.
  constexpr int kTries = 100;
  for (int i = 0; i < kTries; ++i) {
    const auto number = syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (number >= 0) return Descriptor(static_cast<int>(number));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  // EPERM: sandboxes answer so for calls that they do not know.
  if (errno == ENOSYS || errno == EPERM) return open_beneath_by_walking(root, path, flags);
  return {};
}

Descriptor open_beneath_by_walking(int root, const std::string& path, int flags) {
  Descriptor folder;
  size_t from = 0;
  for (;;) {
    const int parent = folder.is_open() ? folder.get() : root;
    const auto slash = path.find('/', from);
    const std::string segment = path.substr(from, slash - from);
    if (segment == "..") {
      errno = EXDEV;
      return {};
    }
    if (slash == std::string::npos)
      return Descriptor(openat(parent, segment.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
    Descriptor next(openat(parent, segment.c_str(), kFolderFlags | O_NOFOLLOW));
    if (!next.is_open()) return {};
    folder = std::move(next);
    from = slash + 1;
  }
}

std::string Folders::path_of(std::string_view name) const {
  if (name.empty()) return root_;
  return fmt::format("{}{}{}", root_, root_.ends_with('/') ? "" : "/", name);
}

Descriptor Folders::open_root() const { return Descriptor(open(root_.c_str(), kFolderFlags)); }

Result<Descriptor> Folders::open_lasting(const std::string& folder) {
  if (is_known(folder)) {
    const Descriptor root = open_root();
    if (root.is_open()) {
      Descriptor known = open_beneath(root.get(), folder.empty() ? "." : folder, kFolderFlags);
      if (known.is_open()) return known;
    }
    // Somebody removed it: make it again.
  }
  WEIR_ASSIGN(const Descriptor root, open_lasting_root());
  Descriptor parent(fcntl(root.get(), F_DUPFD_CLOEXEC, 0));
  if (!parent.is_open()) return file_failure(errno, "open the folder", root_);
  size_t from = 0;
  while (from < folder.size()) {
    const auto slash = std::min(folder.find('/', from), folder.size());
    const std::string upto = folder.substr(0, slash);
    WEIR_ASSIGN(const bool is_new,
                make_folder(parent.get(), folder.substr(from, slash - from), path_of(upto)));
    if (is_new || !is_known(upto)) WEIR_TRY(sync_folder(parent, path_of(upto)));
    remember(upto);
    parent = open_beneath(root.get(), upto, kFolderFlags);
    if (!parent.is_open()) return file_failure(errno, "open the folder", path_of(upto));
    from = slash + 1;
  }
  return parent;
}

Result<Descriptor> Folders::open_lasting_root() {
  Descriptor root = open_root();
  if (root.is_open() && is_known("")) return root;
  const std::filesystem::path whole(root_);
  std::filesystem::path done;
  for (const auto& segment : whole) {
    const std::filesystem::path parent = done.empty() ? "." : done;
    done /= segment;
    WEIR_ASSIGN(const bool is_new, make_folder(AT_FDCWD, done.string(), done.string()));
    if (!is_new && done != whole) continue;
    const Descriptor above(open(parent.c_str(), kFolderFlags));
    if (above.is_open())
      WEIR_TRY(sync_folder(above, parent.string()));
    else if (is_new)
      return file_failure(errno, "open the folder", parent.string());
  }
  if (!root.is_open()) root = open_root();
  if (!root.is_open()) return file_failure(errno, "open the folder", root_);
  remember("");
  return root;
}

bool Folders::is_known(const std::string& folder) const {
  const std::lock_guard lock(mutex_);
  return lasting_.contains(folder);
}

void Folders::remember(const std::string& folder) {
  constexpr size_t kMostRemembered = 10'000;
  const std::lock_guard lock(mutex_);
  if (lasting_.size() >= kMostRemembered) lasting_.clear();
  lasting_.insert(folder);
}

}  // namespace weir::storage::local
