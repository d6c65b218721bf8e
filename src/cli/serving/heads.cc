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

/// Makes a head of rows: what is wrong with one stops no other.
class HeadMaker {
 public:
  HeadMaker(Session& session, catalog::Catalog& catalog, const config::Variables& variables,
            const Head* before)
      : session_(session), catalog_(catalog), variables_(variables), before_(before) {}

  Head make(catalog::ConfigurationHead loaded) {
    head_.revision = loaded.revision;
    auto flows = std::exchange(loaded.configuration.flows, {});
    model::Configuration rows = loaded.configuration;
    head_.common = config::CommonRows(std::move(loaded.configuration));
    head_.configuration.project = rows.project;
    head_.configuration.pools = rows.pools;
    head_.configuration.calendars = rows.calendars;
    head_.configuration.lineage = rows.lineage;
    take(rows.layers, &model::Configuration::layers, "layer", &model::Layer::name);
    take(rows.connections, &model::Configuration::connections, "connection",
         &model::Connection::connection_id);
    take(rows.notifications, &model::Configuration::notifications, "notification",
         &model::NotificationRule::rule_id);
    ground_.calendars = rows.calendars;  // schedules have theirs written out
    take(flows, &model::Configuration::flows, "flow", &model::Flow::flow_id);
    return std::move(head_);
  }

 private:
  template <typename Row>
  void take(const std::vector<Row>& rows, std::vector<Row> model::Configuration::* list,
            std::string_view what, std::string Row::* name) {
    for (const Row& row : rows) {
      (ground_.*list).push_back(row);
      auto resolved =
          config::resolve(std::move(ground_), variables_, {}, session_.wiring().templates);
      if (resolved) {
        ground_ = *std::move(resolved);
        (head_.configuration.*list).push_back(std::move((ground_.*list).front()));
        (ground_.*list).clear();
        continue;
      }
      ground_ = {};
      ground_.calendars = head_.configuration.calendars;
      auto known = as_known(row, list, name);
      head_.faults.push_back(fmt::format("{} '{}' {}: {}", what, row.*name,
                                         known ? "is as it was" : "is left out",
                                         to_line(config::as_one(resolved.error()))));
      if (known) (head_.configuration.*list).push_back(*std::move(known));
    }
  }

  /// Connections have no values in versions: they may be secret.
  template <typename Row>
  std::optional<Row> as_known(const Row& row, std::vector<Row> model::Configuration::* list,
                              std::string Row::* name) {
    const auto find = [&](const model::Configuration& in) -> std::optional<Row> {
      const auto found = std::ranges::find(in.*list, row.*name, name);
      if (found == (in.*list).end()) return std::nullopt;
      return *found;
    };
    if (before_ != nullptr)
      if (auto known = find(before_->configuration)) return known;
    if constexpr (std::is_same_v<Row, model::Connection>) return std::nullopt;
    auto known = find(newest_version(std::is_same_v<Row, model::Flow> ? row.*name : ""));
    if constexpr (std::is_same_v<Row, model::Flow>)
      if (known) known->tasks.clear();
    return known;
  }

  /// As it was pinned; nothing where there is none that reads.
  model::Configuration newest_version(const std::string& flow_id) {
    const auto versions = catalog_.config_versions(flow_id, 1);
    if (!versions || versions->empty()) return {};
    const auto version = catalog_.config_version(versions->front().hash);
    if (!version || !version->content.contains("configuration")) return {};
    auto read = model::configuration_from_json(version->content["configuration"]);
    return read ? *std::move(read) : model::Configuration();
  }

  Session& session_;
  catalog::Catalog& catalog_;
  const config::Variables& variables_;
  const Head* before_;
  Head head_;
  model::Configuration ground_;  ///< What a row is resolved with.
};

}  // namespace

Result<Heads::KeptHead> Heads::current() {
  const std::lock_guard lock(mutex_);
  WEIR_ASSIGN(catalog::Catalog * catalog, session_.catalog());
  WEIR_ASSIGN(const int64_t revision, catalog->configuration_revision());
  if (head_ != nullptr && revision == head_->revision) return head_;
  WEIR_ASSIGN(auto loaded, catalog->load_head());
  WEIR_ASSIGN(const auto variables, variables_of(session_));
  HeadMaker maker(session_, *catalog, variables, head_.get());
  head_ = std::make_shared<const Head>(maker.make(std::move(loaded)));
  return head_;
}

Result<Heads::KeptHead> Heads::known() {
  auto head = current();
  if (head) return head;
  const std::lock_guard lock(mutex_);
  if (head_ != nullptr) return head_;
  return head;
}

Result<std::shared_ptr<const model::Configuration>> Heads::rules() {
  WEIR_ASSIGN(const auto head, known());
  return std::shared_ptr<const model::Configuration>(head, &head->configuration);
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
