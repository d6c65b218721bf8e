#include <algorithm>
#include <cerrno>
#include <map>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "storage/local/file_error.h"
#include "storage/local/listing.h"
#include "storage/local/local_writer.h"
#include "storage/object_name.h"
#include "storage/storage.h"

namespace weir::storage {
namespace local {
namespace {

constexpr size_t kPageEntries = 10'000;
constexpr int kReadFlags = O_RDONLY | O_NONBLOCK;  // a FIFO without a writer must not hold us

/// An object that is open for reading.
struct Opened {
  Descriptor file;
  Entry entry;
};

class LocalStorage final : public Storage {
 public:
  LocalStorage(std::string root, std::string uri)
      : folders_(std::move(root)), uri_(std::move(uri)), random_(make_system_random()) {}

  Capabilities capabilities() const override { return {}; }

  Result<std::string> read(std::string_view name, Range range) override {
    WEIR_CHECK(range.offset_bytes >= 0 && range.size_bytes >= 0);
    WEIR_ASSIGN(const Opened object, open_object(name, kReadFlags));
    const int64_t there = std::max<int64_t>(0, object.entry.size_bytes - range.offset_bytes);
    std::string bytes(static_cast<size_t>(std::min(range.size_bytes, there)), '\0');
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = pread(object.file.get(), bytes.data() + done, bytes.size() - done,
                                  range.offset_bytes + static_cast<off_t>(done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return file_failure(errno, "read", folders_.path_of(name));
      if (count == 0) break;  // cut short by somebody else
      done += static_cast<size_t>(count);
    }
    bytes.resize(done);
    return bytes;
  }

  Result<Entry> stat(std::string_view name) override {
    WEIR_ASSIGN(const Opened object, open_object(name, O_PATH));
    return object.entry;
  }

  Result<std::unique_ptr<Writer>> create(std::string_view name) override {
    WEIR_TRY(check_object_name(name));
    const auto slash = name.rfind('/');
    const bool is_at_top = slash == std::string_view::npos;
    const std::string folder(is_at_top ? "" : name.substr(0, slash));
    WEIR_ASSIGN(Descriptor opened, folders_.open_lasting(folder));
    const auto bytes = random_->bytes16();
    const std::string_view random(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return LocalWriter::start(
        {std::move(opened), std::string(name.substr(is_at_top ? 0 : slash + 1)),
         std::string(kTemporaryPrefix) + to_hex(random), folders_.path_of(name)});
  }

  Result<Page> list(std::string_view prefix, std::string_view after) override {
    WEIR_TRY(check_prefix(prefix));
    return list_page(folders_, prefix, after, kPageEntries);
  }

  Status remove(std::string_view name) override {
    WEIR_TRY(check_object_name(name));
    const auto slash = name.rfind('/');
    const bool is_at_top = slash == std::string_view::npos;
    return remove_from(is_at_top ? "" : name.substr(0, slash),
                       {std::string(name.substr(is_at_top ? 0 : slash + 1))});
  }

  /// Syncs each folder once.
  Status remove_all(std::span<const std::string> names) override {
    std::map<std::string, std::vector<std::string>> by_folder;
    for (const auto& name : names) {
      WEIR_TRY(check_object_name(name));
      const auto slash = name.rfind('/');
      const bool is_at_top = slash == std::string::npos;
      by_folder[is_at_top ? "" : name.substr(0, slash)].push_back(
          name.substr(is_at_top ? 0 : slash + 1));
    }
    for (const auto& [folder, leaves] : by_folder) WEIR_TRY(remove_from(folder, leaves));
    return {};
  }

  Result<std::string> engine_uri(std::string_view name) const override {
    WEIR_TRY(check_object_name(name));
    std::string path = folders_.path_of(name);
    // DuckDB would open other files, or none; a locked session cannot escape them.
    if (path.find_first_of("*?[") != std::string::npos)
      return fail_with_hint(
          ErrorCode::kUnsupported,
          fmt::format("the engine takes '*', '?' and '[' in '{}' for wildcards", path),
          "rename the file or its folder");
    return path;
  }

  const std::string& uri() const override { return uri_; }

 private:
  Status remove_from(std::string_view folder_name, const std::vector<std::string>& leaves) {
    const std::string within = folder_name.empty() ? "" : std::string(folder_name) + '/';
    const auto path_of = [&](const std::string& leaf) { return folders_.path_of(within + leaf); };
    const Descriptor root = folders_.open_root();
    const Descriptor folder =
        root.is_open()
            ? open_beneath(root.get(), folder_name.empty() ? "." : std::string(folder_name),
                           O_RDONLY | O_DIRECTORY)
            : Descriptor();
    if (!folder.is_open()) {
      if (errno == ENOENT || errno == ENOTDIR) return {};
      return file_failure(errno, "remove", path_of(leaves.front()));
    }
    const auto failed = [&](std::string_view action, const std::string& leaf,
                            bool is_open_outcome) {
      Error failure = file_failure(errno, action, path_of(leaf)).error();
      if (is_open_outcome) failure.code = ErrorCode::kOutcomeUnknown;
      return std::unexpected(std::move(failure));
    };
    for (const auto& leaf : leaves) {
      // EISDIR: a folder is no object.
      if (unlinkat(folder.get(), leaf.c_str(), 0) != 0 && errno != ENOENT && errno != EISDIR)
        return failed("remove", leaf, may_have_acted(errno));
    }
    // Also where they were gone: whoever removed them may have died before it could sync.
    if (fsync(folder.get()) != 0) return failed("sync the folder of", leaves.front(), true);
    return {};
  }

  Result<Opened> open_object(std::string_view name, int flags) const {
    WEIR_TRY(check_object_name(name));
    const auto absent = [&] {
      return fail(ErrorCode::kNotFound, "no object '{}' in '{}'", name, uri_);
    };
    const Descriptor root = folders_.open_root();
    if (!root.is_open() && errno == ENOENT) return absent();
    if (!root.is_open()) return file_failure(errno, "open the folder", folders_.root());
    Opened object{open_beneath(root.get(), std::string(name), flags), {}};
    if (!object.file.is_open()) {
      if (errno == ENOENT || errno == ENOTDIR) return absent();
      return file_failure(errno, "open", folders_.path_of(name));
    }
    struct stat found{};
    if (fstat(object.file.get(), &found) != 0)
      return file_failure(errno, "open", folders_.path_of(name));
    if (!S_ISREG(found.st_mode)) return absent();
    object.entry = entry_of(name, found);
    return object;
  }

  Folders folders_;
  std::string uri_;
  std::unique_ptr<Random> random_;
};

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace
}  // namespace local

std::unique_ptr<Storage> make_local_storage(std::string root, std::string uri) {
  return std::make_unique<local::LocalStorage>(local::without_trailing_slash(std::move(root)),
                                               std::move(uri));
}

}  // namespace weir::storage
