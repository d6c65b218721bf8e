#include "arrivals/folder_watch.h"

namespace weir::arrivals {

std::vector<std::string> folders_of(const Watch& watch) {
  std::vector<std::string> folders;
  for (const auto& uri : watch.uris())
    if (const auto folder = local_folder(uri)) folders.push_back(*folder);
  return folders;
}

void pass_on(const Changes& changes, Watch& watch) {
  if (changes.is_everything) return watch.wake_folder("");
  for (const auto& file : changes.files) watch.wake(file);
  for (const auto& folder : changes.folders) watch.wake_folder(folder);
}

}  // namespace weir::arrivals
