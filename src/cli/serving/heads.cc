#include "cli/serving/heads.h"

#include <algorithm>
#include <filesystem>

#include "cli/project.h"
#include "config/resolve.h"

namespace weir::cli {
namespace {

/// Versions that are kept; others are read again.
constexpr size_t kMostKept = 512;
constexpr size_t kMostTasks = 20'000;  ///< Of them all: a large one is some kilobytes a task.

size_t tasks_of(const orchestrate::Pinned& pinned) {
  size_t tasks = 0;
  for (const auto& flow : pinned.configuration.flows) tasks += flow.tasks.size();
  return tasks;
}

/// Each flow for itself: what is wrong with one stops no other.
Result<Head> resolved_head(Session& session, catalog::ConfigurationHead loaded) {
  WEIR_ASSIGN(const auto variables, variables_of(session));
  const auto resolved = [&](model::Configuration part) {
    return config::resolve(std::move(part), variables, {}, session.wiring().templates);
  };
  Head head;
  head.revision = loaded.revision;
  auto flows = std::exchange(loaded.configuration.flows, {});
  model::Configuration shared = loaded.configuration;
  shared.datasets.clear();
  shared.templates.clear();
  head.common = config::CommonRows(std::move(loaded.configuration));
  auto rows = resolved(std::move(shared));
  if (!rows) return std::unexpected(config::as_one(rows.error()));
  head.configuration = *std::move(rows);
  for (auto& flow : flows) {
    model::Configuration alone;
    const std::string flow_id = flow.flow_id;
    alone.flows.push_back(std::move(flow));
    auto one = resolved(std::move(alone));
    if (one)
      head.configuration.flows.push_back(std::move(one->flows.front()));
    else
      head.left_out.push_back({flow_id, config::as_one(one.error())});
  }
  return head;
}

}  // namespace

Result<Heads::KeptHead> Heads::current() {
  const std::lock_guard lock(mutex_);
  WEIR_ASSIGN(catalog::Catalog * catalog, session_.catalog());
  WEIR_ASSIGN(const int64_t revision, catalog->configuration_revision());
  if (head_ != nullptr && revision == head_->revision) return head_;
  WEIR_ASSIGN(auto loaded, catalog->load_head());
  WEIR_ASSIGN(auto head, resolved_head(session_, std::move(loaded)));
  head_ = std::make_shared<const Head>(std::move(head));
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

Heads::Kept Heads::find_recent(const std::string& flow_id, int64_t revision) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(recent_, [&](const Recent& each) {
    return each.revision == revision && each.flow_id == flow_id;
  });
  if (found == recent_.end() || found->files != state_of_files(*found->pinned)) return nullptr;
  recent_.splice(recent_.begin(), recent_, found);
  return recent_.front().pinned;
}

// Databases may be asked meanwhile: nobody else waits for that.
Result<Heads::Kept> Heads::of_run(const RunToBe& run) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session_.catalog());
  while (true) {
    WEIR_ASSIGN(const KeptHead head, current());
    if (Kept known = find_recent(run.flow_id, head->revision)) return known;
    WEIR_ASSIGN(const auto found, catalog->load_flow(run.flow_id));
    if (found.revision != head->revision) continue;  // applied meanwhile
    if (!found.flow) return std::unexpected(no_such_flow(head->configuration, run.flow_id));
    WEIR_ASSIGN(auto pinned, pin_flow(session_, head->common, *found.flow, run));
    Recent recent{std::make_shared<const orchestrate::Pinned>(std::move(pinned))};
    if (!has_pattern(*found.flow)) {
      recent.flow_id = run.flow_id;
      recent.revision = found.revision;
      recent.files = state_of_files(*recent.pinned);
    }
    Kept kept = recent.pinned;
    keep(std::move(recent));
    return kept;
  }
}

Result<Heads::Kept> Heads::of_version(const std::string& hash) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(
        recent_, hash, [](const Recent& each) -> const std::string& { return each.pinned->hash; });
    if (found != recent_.end()) {
      recent_.splice(recent_.begin(), recent_, found);
      return recent_.front().pinned;
    }
  }
  WEIR_ASSIGN(auto pinned, pin_version(session_, hash));
  Kept kept = std::make_shared<const orchestrate::Pinned>(std::move(pinned));
  keep({kept});
  return kept;
}

void Heads::keep(Recent recent) {
  const std::lock_guard lock(mutex_);
  std::erase_if(recent_, [&](const Recent& each) {
    const bool is_same = each.pinned->hash == recent.pinned->hash;
    if (is_same) tasks_of_recent_ -= tasks_of(*each.pinned);
    return is_same;
  });
  tasks_of_recent_ += tasks_of(*recent.pinned);
  recent_.push_front(std::move(recent));
  while (recent_.size() > 1 && (recent_.size() > kMostKept || tasks_of_recent_ > kMostTasks)) {
    tasks_of_recent_ -= tasks_of(*recent_.back().pinned);
    recent_.pop_back();
  }
}

}  // namespace weir::cli
