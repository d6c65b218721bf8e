#include "cli/serving/heads.h"

#include <algorithm>
#include <filesystem>

#include "cli/project.h"

namespace weir::cli {
namespace {

constexpr size_t kKept = 16;  ///< Versions of runs under way; others are read again.

}  // namespace

Result<Heads::Kept> Heads::current() {
  const std::lock_guard lock(mutex_);
  return current_locked();
}

Result<Heads::Kept> Heads::current_locked() {
  WEIR_ASSIGN(catalog::Catalog * catalog, session_.catalog());
  WEIR_ASSIGN(const int64_t revision, catalog->configuration_revision());
  if (head_ != nullptr && revision == revision_ && files_ == state_of_files(*head_)) return head_;
  {
    WEIR_ASSIGN(const auto rows, catalog->load_configuration());  // gone before it is read again
    with_patterns_ = flows_with_patterns(rows);
  }
  WEIR_ASSIGN(auto pinned, pin_catalog(session_, {}));
  head_ = std::make_shared<const orchestrate::Pinned>(std::move(pinned));
  revision_ = revision;
  files_ = state_of_files(*head_);
  keep(head_);
  return head_;
}

// By size and time: who edits a file in place within a tick of the file system's clock and leaves
// its size is seen with the next change.
std::string Heads::state_of_files(const orchestrate::Pinned& pinned) const {
  std::string state;
  for (const auto& [path, content] : pinned.files) {
    if (is_uri(path)) continue;  // read again when rows change
    std::error_code gone;
    const auto file = std::filesystem::path(session_.folder()) / path;
    const auto time = std::filesystem::last_write_time(file, gone).time_since_epoch().count();
    const auto size = gone ? 0 : std::filesystem::file_size(file, gone);
    state += gone ? path + ":gone\n" : fmt::format("{}:{}:{}\n", path, size, time);
  }
  return state;
}

Result<Heads::Kept> Heads::of_run(const RunToBe& run) {
  const std::lock_guard lock(mutex_);
  WEIR_ASSIGN(Kept head, current_locked());
  if (!with_patterns_.contains(run.flow_id)) return head;
  WEIR_ASSIGN(auto pinned, pin_catalog(session_, run));
  Kept kept = std::make_shared<const orchestrate::Pinned>(std::move(pinned));
  keep(kept);
  return kept;
}

Result<Heads::Kept> Heads::of_version(const std::string& hash) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(recent_, hash, [](const Kept& each) { return each->hash; });
  if (found != recent_.end()) return *found;
  WEIR_ASSIGN(auto pinned, pin_version(session_, hash));
  Kept kept = std::make_shared<const orchestrate::Pinned>(std::move(pinned));
  keep(kept);
  return kept;
}

void Heads::keep(const Kept& pinned) {
  std::erase_if(recent_, [&](const Kept& each) { return each->hash == pinned->hash; });
  recent_.push_front(pinned);
  if (recent_.size() > kKept) recent_.pop_back();
}

}  // namespace weir::cli
