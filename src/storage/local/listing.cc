#include "storage/local/listing.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "storage/local/file_error.h"
#include "storage/object_name.h"

// Byte order of whole names is not the order of a folder's entries: with a folder `a` and a file
// `a-b`, `a-b` stands before `a/x` since '-' is less than '/'. So a folder takes part in the order
// of its siblings as `a/`: all names below it start so, and no sibling's name can fall between.

namespace weir::storage::local {
namespace {

enum class Kind { kFile, kFolder, kLink };

struct Child {
  std::string key;  ///< The whole name; a folder's ends in '/'.
  size_t leaf_at;
  Kind kind;
  std::string leaf() const {
    return key.substr(leaf_at, key.size() - leaf_at - (kind == Kind::kFolder ? 1 : 0));
  }
};

std::optional<Kind> kind_of(int folder, const dirent& entry) {
  switch (entry.d_type) {
    case DT_REG: return Kind::kFile;
    case DT_DIR: return Kind::kFolder;
    case DT_LNK: return Kind::kLink;
    case DT_UNKNOWN: break;  // some file systems do not say
    default: return std::nullopt;
  }
  struct stat found{};
  if (fstatat(folder, entry.d_name, &found, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  if (S_ISREG(found.st_mode)) return Kind::kFile;
  if (S_ISDIR(found.st_mode)) return Kind::kFolder;
  if (S_ISLNK(found.st_mode)) return Kind::kLink;
  return std::nullopt;
}

class Walk {
 public:
  Walk(const Folders& folders, int root, std::string_view prefix, std::string_view after,
       size_t limit)
      : folders_(folders), root_(root), prefix_(prefix), after_(after), limit_(limit) {}

  /// Takes the entries of `folder`, whose names start with `base` (empty, or ending in '/').
  Status visit(int folder, const std::string& base) {
    WEIR_ASSIGN(const auto children, children_of(folder, base));
    for (const Child& child : children) {
      if (!page_.is_last) return {};
      if (child.kind == Kind::kFolder) {
        const Descriptor next(
            openat(folder, child.leaf().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (next.is_open())
          WEIR_TRY(visit(next.get(), child.key));
        else if (errno != ENOENT && errno != ENOTDIR)
          return file_failure(errno, "list the folder", folders_.path_of(child.key));
      } else {
        WEIR_TRY(take(folder, child));
      }
    }
    return {};
  }

  Page page() && { return std::move(page_); }

 private:
  Result<std::vector<Child>> children_of(int folder, const std::string& base) const {
    // fdopendir takes the descriptor over, so it gets one of its own.
    Descriptor own(fcntl(folder, F_DUPFD_CLOEXEC, 0));
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(
        own.is_open() ? fdopendir(own.get()) : nullptr, closedir);
    if (entries == nullptr) return file_failure(errno, "list the folder", folders_.path_of(base));
    own.release();
    std::vector<Child> children;
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(entries.get());
      if (entry == nullptr && errno != 0)
        return file_failure(errno, "list the folder", folders_.path_of(base));
      if (entry == nullptr) break;
      const std::string_view leaf = entry->d_name;
      if (leaf == "." || leaf == ".." || leaf.starts_with(kTemporaryPrefix)) continue;
      const auto kind = kind_of(folder, *entry);
      if (!kind) continue;
      Child child{base + std::string(leaf) + (*kind == Kind::kFolder ? "/" : ""), base.size(),
                  *kind};
      if (is_wanted(child)) children.push_back(std::move(child));
    }
    std::ranges::sort(children, {}, &Child::key);
    return children;
  }

  bool is_wanted(const Child& child) const {
    const std::string_view key = child.key;
    if (child.kind != Kind::kFolder) return key > after_ && key.starts_with(prefix_);
    const bool has_later_names = key > after_ || after_.starts_with(key);
    return has_later_names && (key.starts_with(prefix_) || prefix_.starts_with(key));
  }

  Status take(int folder, const Child& child) {
    struct stat found{};
    const std::string leaf = child.leaf();
    if (fstatat(folder, leaf.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return {};
      return file_failure(errno, "list", folders_.path_of(child.key));
    }
    if (S_ISLNK(found.st_mode)) {
      // A link that leads out of the root is listed, so that reading it says what is wrong.
      const Descriptor target = open_beneath(root_, child.key, O_PATH);
      const bool leads_out = !target.is_open() && (errno == EXDEV || errno == ELOOP);
      if (!target.is_open() && !leads_out) return {};
      if (target.is_open() && (fstat(target.get(), &found) != 0 || !S_ISREG(found.st_mode)))
        return {};
    }
    if (page_.entries.size() == limit_) {
      page_.is_last = false;
      return {};
    }
    page_.entries.push_back(entry_of(child.key, found));
    return {};
  }

  const Folders& folders_;
  int root_;
  std::string_view prefix_;
  std::string_view after_;
  size_t limit_;
  Page page_;
};

}  // namespace

Entry entry_of(std::string_view name, const struct stat& found) {
  const auto& modified = found.st_mtim;
  // The change time cannot be set back as the modification time can.
  return {std::string(name), found.st_size,
          int64_t{modified.tv_sec} * 1'000'000 + modified.tv_nsec / 1000,
          fmt::format("{}-{}.{:09}", found.st_ino, found.st_ctim.tv_sec, found.st_ctim.tv_nsec)};
}

Result<Page> list_page(const Folders& folders, std::string_view prefix, std::string_view after,
                       size_t limit) {
  const Descriptor root = folders.open_root();
  if (!root.is_open()) {
    if (errno == ENOENT) return Page{};
    return file_failure(errno, "list the folder", folders.root());
  }
  const auto slash = prefix.rfind('/');
  const std::string base(slash == std::string_view::npos ? "" : prefix.substr(0, slash + 1));
  const Descriptor start =
      open_beneath(root.get(), base.empty() ? "." : base, O_RDONLY | O_DIRECTORY);
  if (!start.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR) return Page{};
    return file_failure(errno, "list the folder", folders.path_of(base));
  }
  Walk walk(folders, root.get(), prefix, after, limit);
  WEIR_TRY(walk.visit(start.get(), base));
  return std::move(walk).page();
}

}  // namespace weir::storage::local
