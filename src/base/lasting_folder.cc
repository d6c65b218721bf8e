#include "base/lasting_folder.h"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weir {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFolderMode = 0777;  // less the umask

std::unexpected<Error> failed(std::string_view action, const fs::path& path, int number) {
  const bool is_denied = number == EACCES || number == EPERM || number == EROFS;
  const bool is_full = number == ENOSPC || number == EDQUOT;
  const ErrorCode code = is_denied ? ErrorCode::kDenied
                         : is_full ? ErrorCode::kResourceExhausted
                                   : ErrorCode::kUnavailable;
  return fail(code, "cannot {} '{}': {}", action, path.string(),
              std::generic_category().message(number));
}

}  // namespace

Status keep_name(const std::string& path) {
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failed("open the folder", folder, errno);
  const int problem = fsync(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  if (problem != 0) return failed("sync the folder", folder, problem);
  return {};
}

Status make_lasting_folder(const std::string& path) {
  std::vector<fs::path> missing;
  std::error_code ignored;
  fs::path each = fs::path(path).lexically_normal();
  if (!each.has_filename()) each = each.parent_path();
  for (; !each.empty() && !fs::is_directory(each, ignored); each = each.parent_path())
    missing.push_back(each);
  for (; !missing.empty(); missing.pop_back()) {
    // Another process may be as far; then it syncs the name too, and no sync is one too many.
    if (mkdir(missing.back().c_str(), kFolderMode) != 0 && errno != EEXIST)
      return failed("make the folder", missing.back(), errno);
    WEIR_TRY(keep_name(missing.back().string()));
  }
  if (!fs::is_directory(path, ignored)) return failed("make the folder", path, ENOTDIR);
  return {};
}

}  // namespace weir
