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

std::optional<Instant> parse_instant_file(std::string_view object_name) {
  if (!object_name.starts_with(kTimelineFolder)) return std::nullopt;
  std::string_view rest = object_name.substr(kTimelineFolder.size());
  if (rest.find('/') != std::string_view::npos) return std::nullopt;
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos || !is_time(rest.substr(0, dot))) return std::nullopt;
  Instant instant;
  instant.time = rest.substr(0, dot);
  instant.file = object_name;
  rest.remove_prefix(dot + 1);
  if (rest == kInflight) {
    instant.action = "commit";
    instant.state = Instant::State::kInflight;
    return instant;
  }
  const size_t second = rest.find('.');
  instant.action = rest.substr(0, second);
  instant.state = Instant::State::kCompleted;
  if (second == std::string_view::npos)
    return instant.action.empty() ? std::nullopt : std::optional(instant);
  const std::string_view state = rest.substr(second + 1);
  if (state != kRequested && state != kInflight) return std::nullopt;
  instant.state = state == kRequested ? Instant::State::kRequested : Instant::State::kInflight;
  return instant;
}

Result<Timeline> Timeline::load(storage::Storage& store) {
  // Instants begin with the year; so the listing leaves out `.temp`, `metadata` and their like.
  WEIR_ASSIGN(const std::vector<storage::Entry> entries,
              storage::list_all(store, std::string(kTimelineFolder) + "2"));
  std::map<std::pair<std::string, std::string>, Instant> farthest;
  for (const auto& entry : entries) {
    auto instant = parse_instant_file(entry.name);
    if (!instant) continue;
    auto [at, is_new] = farthest.try_emplace({instant->time, instant->action}, *instant);
    if (!is_new && at->second.state < instant->state) at->second = *std::move(instant);
  }
  Timeline timeline;
  for (auto& [key, instant] : farthest) {
    const bool is_done = instant.state == Instant::State::kCompleted;
    if (is_data_action(instant.action)) {
      if (is_done) timeline.commits_.push_back(instant);
      (is_done ? timeline.completed_ : timeline.pending_).insert(instant.time);
    }
    timeline.instants_.push_back(std::move(instant));
  }
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

bool Timeline::shows_files_of(std::string_view time) const {
  if (completed_.contains(time)) return true;
  return !commits_.empty() && time < commits_.front().time && !pending_.contains(time);
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
