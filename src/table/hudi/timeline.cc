#include "table/hudi/timeline.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/instant.h"

namespace weir::table {
namespace {

constexpr std::string_view kRequested = "requested";
constexpr std::string_view kInflight = "inflight";

bool is_data_action(std::string_view action) {
  return action == "commit" || action == "replacecommit";
}

/// What may stand on a timeline without changing which rows a reader sees.
bool is_service_action(std::string_view action) {
  static constexpr std::string_view kServices[] = {"clean",      "rollback",      "restore",
                                                   "savepoint",  "indexing",      "clustering",
                                                   "compaction", "logcompaction", "schemacommit"};
  return std::ranges::find(kServices, action) != std::end(kServices);
}

bool is_time(std::string_view text) {
  // 14 digits (seconds) in tables of old, 17 (milliseconds) since 0.10.
  return text.size() >= 14 && text.size() <= 17 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string_view action_name(Action action) {
  return action == Action::kCommit ? "commit" : "replacecommit";
}

std::string instant_file(std::string_view time, std::string_view action, Instant::State state) {
  switch (state) {
    case Instant::State::kRequested:
      return fmt::format("{}{}.{}.requested", kTimelineFolder, time, action);
    case Instant::State::kInflight:
      if (action == "commit") return fmt::format("{}{}.inflight", kTimelineFolder, time);
      return fmt::format("{}{}.{}.inflight", kTimelineFolder, time, action);
    case Instant::State::kCompleted: break;
  }
  return fmt::format("{}{}.{}", kTimelineFolder, time, action);
}

TimelineLayout layout_of(const TableProperties& properties) {
  TimelineLayout layout;
  if (property_or(properties, "hoodie.timeline.layout.version", "1") != "2") {
    layout.history =
        layout.folder + property_or(properties, "hoodie.archivelog.folder", "archived") + "/";
    return layout;
  }
  layout.version = 2;
  layout.folder += property_or(properties, "hoodie.timeline.path", "timeline") + "/";
  layout.history =
      layout.folder + property_or(properties, "hoodie.timeline.history.path", "history") + "/";
  return layout;
}

std::optional<Instant> parse_instant_file(std::string_view object_name,
                                          const TimelineLayout& layout) {
  if (!object_name.starts_with(layout.folder)) return std::nullopt;
  std::string_view rest = object_name.substr(layout.folder.size());
  if (rest.find('/') != std::string_view::npos) return std::nullopt;
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  Instant instant;
  std::string_view time = rest.substr(0, dot);
  const size_t bar = layout.version == 2 ? time.find('_') : std::string_view::npos;
  if (bar != std::string_view::npos) {
    instant.completion = time.substr(bar + 1);
    time = time.substr(0, bar);
  }
  if (!is_time(time) || (bar != std::string_view::npos && !is_time(instant.completion)))
    return std::nullopt;
  instant.time = time;
  instant.file = object_name;
  rest.remove_prefix(dot + 1);
  const size_t second = rest.find('.');
  instant.action = rest.substr(0, second);
  instant.state = Instant::State::kCompleted;
  if (rest == kInflight) {
    instant.action = "commit";
    instant.state = Instant::State::kInflight;
  } else if (second != std::string_view::npos) {
    const std::string_view state = rest.substr(second + 1);
    if (state != kRequested && state != kInflight) return std::nullopt;
    instant.state = state == kRequested ? Instant::State::kRequested : Instant::State::kInflight;
  }
  const bool is_done = instant.state == Instant::State::kCompleted;
  if (instant.action.empty() || (!is_done && !instant.completion.empty())) return std::nullopt;
  return instant;
}

namespace {

Status check_action(const Instant& completed) {
  if (is_data_action(completed.action) || is_service_action(completed.action)) return {};
  if (completed.action == "deltacommit")
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("{} is a commit of a merge-on-read table", completed.file),
        "weir reads copy-on-write: export the table with Spark, or let Spark archive the commits "
        "from before it became one");
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format("{} is of an action that weir does not know: {}", completed.file,
                  completed.action),
      "remove the file if it is not Hudi's; else read the table with the Hudi that wrote it");
}

/// The instants by time and action, each in the farthest state that it reached.
using Farthest = std::map<std::pair<std::string, std::string>, Instant>;

Result<Farthest> farthest_of(storage::Storage& store, const TimelineLayout& layout) {
  // Instants begin with the year; so the listing leaves out `.temp`, `metadata` and their like.
  WEIR_ASSIGN(const std::vector<storage::Entry> entries,
              storage::list_all(store, layout.folder + "2"));
  Farthest farthest;
  for (const auto& entry : entries) {
    auto instant = parse_instant_file(entry.name, layout);
    if (!instant) continue;
    const bool is_done = instant->state == Instant::State::kCompleted;
    if (is_done) WEIR_TRY(check_action(*instant));
    auto [at, is_new] = farthest.try_emplace({instant->time, instant->action}, *instant);
    if (is_new) continue;
    if (is_done && at->second.state == Instant::State::kCompleted)
      return fail(ErrorCode::kCorrupt, "instant {} is completed twice: {} and {}", instant->time,
                  at->second.file, instant->file);
    if (at->second.state < instant->state) at->second = *std::move(instant);
  }
  return farthest;
}

}  // namespace

Result<Timeline> Timeline::load(storage::Storage& store, const TimelineLayout& layout) {
  WEIR_ASSIGN(Farthest farthest, farthest_of(store, layout));
  Timeline timeline;
  std::set<std::string, std::less<>> saved;
  for (auto& [key, instant] : farthest) {
    const bool is_done = instant.state == Instant::State::kCompleted;
    if (!is_done) timeline.pending_.insert(instant.time);
    if (is_done && instant.action == "savepoint") saved.insert(instant.time);
    if (is_done && is_data_action(instant.action)) {
      if (timeline.is_completed(instant.time))
        return fail(ErrorCode::kCorrupt, "instant {} is completed twice: {} and {}", instant.time,
                    timeline.commits_.back().file, instant.file);
      timeline.commits_.push_back(instant);
    }
    timeline.instants_.push_back(std::move(instant));
  }
  for (const auto& commit : timeline.commits_) {
    if (!saved.contains(commit.time)) {
      timeline.start_ = commit.time;
      break;
    }
  }
  if (timeline.start_.empty() && !timeline.commits_.empty())
    timeline.start_ = timeline.commits_.front().time;
  return timeline;
}

std::vector<Instant> Timeline::pending_commits() const {
  std::vector<Instant> pending;
  for (const auto& instant : instants_) {
    if (is_data_action(instant.action) && instant.state != Instant::State::kCompleted)
      pending.push_back(instant);
  }
  return pending;
}

const Instant* Timeline::find_commit(std::string_view time) const {
  const auto found = std::ranges::lower_bound(
      commits_, time, {}, [](const Instant& commit) { return std::string_view(commit.time); });
  return found != commits_.end() && found->time == time ? &*found : nullptr;
}

bool Timeline::is_archived(std::string_view time) const {
  return is_before_start(time) && !pending_.contains(time) && !is_completed(time);
}

std::string Timeline::last_time() const {
  return instants_.empty() ? std::string() : instants_.back().time;
}

Result<std::string> next_instant_time(Clock& clock, std::string_view last) {
  std::string now = format_hudi_instant(clock.now_us());
  if (now > last) return now;
  // Seconds and the milliseconds after them; an old table's 14 digits have none.
  WEIR_ASSIGN(const int64_t second_us, parse_instant(last.substr(0, 14)));
  int64_t milliseconds = 0;
  for (const char c : last.substr(14)) milliseconds = milliseconds * 10 + (c - '0');
  return format_hudi_instant(second_us + (milliseconds + 1) * 1'000);
}

}  // namespace weir::table
