#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "arrivals/folder_watch.h"

// inotify(7). A folder is watched before it is read, so that nothing comes in between unseen: what
// is new in it is told as a folder in which anything may have come.

namespace weir::arrivals {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kMask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR | IN_DELETE_SELF |
                           IN_MOVE_SELF | IN_MOVED_FROM | IN_DELETE;
constexpr size_t kMostFiles = 10'000;  // of one take(); more are a folder to be listed

std::string in_words(int error) { return std::strerror(error); }

class Inotify final : public FolderWatch {
 public:
  Inotify(int descriptor, int bell, std::vector<std::string> roots)
      : descriptor_(descriptor), bell_(bell), roots_(std::move(roots)) {}
  Inotify(const Inotify&) = delete;
  Inotify& operator=(const Inotify&) = delete;
  ~Inotify() override {
    ::close(descriptor_);
    ::close(bell_);
  }

  void start() {
    for (const auto& root : roots_) watch_root(root);
  }

  int descriptor() const override { return descriptor_; }
  const std::vector<std::string>& unwatched() const override { return unwatched_; }

  Result<Changes> take() override {
    Changes changes;
    alignas(inotify_event) std::array<char, size_t{64} * 1024> buffer{};
    while (true) {
      const ssize_t count = ::read(descriptor_, buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && errno == EAGAIN) break;
      if (count < 0)
        return fail(ErrorCode::kUnavailable, "cannot read inotify: {}", in_words(errno));
      for (ssize_t at = 0; at < count;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        take(*event, changes);
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    }
    tidy(changes.files);
    tidy(changes.folders);
    if (changes.files.size() <= kMostFiles) return changes;
    for (const auto& file : std::exchange(changes.files, {}))
      changes.folders.push_back(fs::path(file).parent_path().string());
    tidy(changes.folders);
    return changes;
  }

  Result<Changes> wait(int64_t timeout_ms) override {
    std::array<pollfd, 2> both = {pollfd{descriptor_, POLLIN, 0}, pollfd{bell_, POLLIN, 0}};
    const int timeout =
        static_cast<int>(std::clamp<int64_t>(timeout_ms, 0, std::numeric_limits<int>::max()));
    const int ready = ::poll(both.data(), both.size(), timeout);
    if (ready < 0 && errno != EINTR)
      return fail(ErrorCode::kUnavailable, "cannot wait for inotify: {}", in_words(errno));
    eventfd_t rung = 0;
    if (ready > 0 && (both[1].revents & POLLIN) != 0) ::eventfd_read(bell_, &rung);
    return take();
  }

  void wake() override { ::eventfd_write(bell_, 1); }

 private:
  static void tidy(std::vector<std::string>& names) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
  }

  /// The folder, or the nearest above it that is there: it tells when the next one comes.
  void watch_root(const std::string& root) {
    std::string before;
    while (true) {
      const std::string nearest = nearest_folder(root);
      if (nearest == root) return watch_tree(root, nullptr);
      // The next one may have come between the look and the watch.
      if (nearest == before) return;
      watch(nearest);
      before = nearest;
    }
  }

  static std::string nearest_folder(const std::string& root) {
    std::error_code ignored;
    fs::path above = root;
    while (above != above.root_path() && !fs::is_directory(above, ignored))
      above = above.parent_path();
    return above.string();
  }

  bool watch(const std::string& folder) {
    const int number = ::inotify_add_watch(descriptor_, folder.c_str(), kMask);
    if (number >= 0) {
      paths_[number] = folder;
      return true;
    }
    // Gone meanwhile, or a link to elsewhere: it will be told when it comes.
    if (errno == ENOENT || errno == ENOTDIR) return false;
    unwatched_.push_back(fmt::format("folder '{}' is not watched: {}{}", folder, in_words(errno),
                                     errno == ENOSPC ? "; raise fs.inotify.max_user_watches" : ""));
    return false;
  }

  void watch_tree(const std::string& folder, Changes* changes) {
    if (!watch(folder)) return;
    if (changes != nullptr) changes->folders.push_back(folder);
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code ignored;
      if (entry->is_directory(ignored) && !entry->is_symlink(ignored))
        watch_tree(entry->path().string(), changes);
    }
  }

  bool is_within(const std::string& path) const {
    return std::ranges::any_of(roots_, [&](const std::string& root) {
      return path == root || path.starts_with(root + "/");
    });
  }
  bool leads_to_root(const std::string& path) const {
    return std::ranges::any_of(roots_, [&](const std::string& root) {
      return root == path || root.starts_with(path + "/");
    });
  }

  void take(const inotify_event& event, Changes& changes) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      changes.is_everything = true;
      for (const auto& root : roots_) watch_root(root);
      return;
    }
    const auto found = paths_.find(event.wd);
    if (found == paths_.end()) return;
    const std::string folder = found->second;
    if ((event.mask & IN_IGNORED) != 0) {
      paths_.erase(found);
      // A root that went may come again.
      if (std::ranges::find(roots_, folder) != roots_.end()) watch_root(folder);
      return;
    }
    const std::string name = event.len > 0 ? std::string(event.name) : std::string();
    const std::string path = folder == "/" ? "/" + name : folder + "/" + name;
    const bool is_folder = (event.mask & IN_ISDIR) != 0;
    if (is_folder && (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
      if (is_within(path)) watch_tree(path, &changes);
      if (!is_within(path) && leads_to_root(path)) {
        for (const auto& root : roots_)
          if (root.starts_with(path + "/")) watch_root(root);
        changes.is_everything = true;
      }
      return;
    }
    if (!is_within(folder)) return;
    if (is_folder ||
        (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_MOVED_FROM | IN_DELETE)) != 0) {
      changes.folders.push_back(folder);
      return;
    }
    if ((event.mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) changes.files.push_back(path);
  }

  const int descriptor_;
  const int bell_;
  const std::vector<std::string> roots_;
  std::map<int, std::string> paths_;
  std::vector<std::string> unwatched_;
};

}  // namespace

Result<std::unique_ptr<FolderWatch>> watch_folders(const std::vector<std::string>& folders) {
  const int descriptor = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (descriptor < 0)
    return fail_with_hint(ErrorCode::kUnavailable,
                          fmt::format("the system gives no inotify: {}", in_words(errno)),
                          "raise fs.inotify.max_user_instances; listings go on without it");
  const int bell = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (bell < 0) {
    const int error = errno;
    ::close(descriptor);
    return fail(ErrorCode::kUnavailable, "the system gives no eventfd: {}", in_words(error));
  }
  std::vector<std::string> roots;
  for (std::string folder : folders) {
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    roots.push_back(std::move(folder));
  }
  auto watch = std::make_unique<Inotify>(descriptor, bell, std::move(roots));
  watch->start();
  return watch;
}

}  // namespace weir::arrivals
