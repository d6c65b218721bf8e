#include "arrivals/watch.h"

#include <algorithm>
#include <set>

#include "arrivals/event.h"
#include "arrivals/watch/watched.h"

namespace weir::arrivals {
namespace {

constexpr int64_t kMostEvents = 10'000;

}  // namespace

struct Watch::State {
  WatchGround ground;
  WatchOptions options;
  std::vector<Watched> watched;

  /// Which triggers an event of the inbox is for.
  Result<std::set<size_t>> wake(const FileEvent& event) {
    std::set<size_t> woken;
    for (size_t i = 0; i < watched.size(); ++i)
      for (const auto& file : {event.file, event.otherwise}) {
        if (file.empty()) continue;
        WEIR_ASSIGN(const bool is_its, watched[i].wake(file));
        if (is_its) woken.insert(i);
      }
    return woken;
  }
};

Watch::Watch(std::vector<Trigger> triggers, WatchGround ground, WatchOptions options)
    : state_(std::make_unique<State>()) {
  state_->ground = ground;
  state_->options = options;
  for (auto& trigger : triggers) state_->watched.emplace_back(std::move(trigger), ground);
}

Watch::~Watch() = default;
Watch::Watch(Watch&&) noexcept = default;
Watch& Watch::operator=(Watch&&) noexcept = default;

Result<Polled> Watch::poll(int64_t now_us, const Cancel& cancel, Detail detail) {
  Polled polled;
  WEIR_ASSIGN(const auto events, state_->ground.catalog->waiting_events(kMostEvents));
  std::vector<std::set<size_t>> woken;
  for (const auto& event : events) {
    woken.emplace_back();
    if (event.kind != kFileKind) continue;
    WEIR_ASSIGN(woken.back(), state_->wake(file_event(event)));
  }
  Budget budget{state_->options.most_runs, state_->options.most_hashed_bytes};
  std::set<size_t> faulty;
  for (size_t i = 0; i < state_->watched.size(); ++i) {
    WEIR_TRY(cancel.check());
    Watched& each = state_->watched[i];
    if (detail == Detail::kDue && !each.is_time(now_us)) continue;
    auto done = each.poll(now_us, cancel, budget, polled, detail == Detail::kWaiting);
    if (done) continue;
    if (done.error().code == ErrorCode::kCancelled) return std::unexpected(done.error());
    each.put_off(now_us);
    faulty.insert(i);
    polled.faults.push_back({each.trigger().flow_id, std::move(done).error()});
  }
  // An event is dealt with once what it was about is written: a crash before gives it again.
  std::vector<std::string> handled;
  for (size_t i = 0; i < events.size(); ++i) {
    const bool is_open =
        std::ranges::any_of(woken[i], [&](size_t at) { return faulty.contains(at); });
    if (!is_open) handled.push_back(events[i].event_id);
  }
  WEIR_TRY(state_->ground.catalog->note_handled(handled));
  polled.next_poll_at_us = events.size() == static_cast<size_t>(kMostEvents)
                               ? now_us
                               : std::max(next_poll_at_us(), now_us);
  return polled;
}

Result<Polled> Watch::look(int64_t now_us, const Cancel& cancel) {
  Polled polled;
  for (auto& each : state_->watched) {
    auto done = each.look(now_us, cancel, polled);
    if (done) continue;
    if (done.error().code == ErrorCode::kCancelled) return std::unexpected(done.error());
    each.put_off(now_us);
    polled.faults.push_back({each.trigger().flow_id, std::move(done).error()});
  }
  return polled;
}

void Watch::wake(const std::string& file) {
  FileEvent event;
  event.file = file;
  // A name that no pattern can be asked about is nobody's.
  [[maybe_unused]] const auto woken = state_->wake(event);
}

void Watch::wake_folder(const std::string& uri) {
  const auto is_within = [](const std::string& inner, const std::string& outer) {
    return inner == outer || inner.starts_with(outer + "/");
  };
  for (auto& each : state_->watched)
    for (const auto& source : each.trigger().sources)
      for (const auto& root : {source.uri, local_folder(source.uri).value_or(source.uri)})
        if (uri.empty() || is_within(uri, root) || is_within(root, uri)) each.wake_all();
}

int64_t Watch::next_poll_at_us() const {
  int64_t next_us = std::numeric_limits<int64_t>::max();
  for (const auto& each : state_->watched) next_us = std::min(next_us, each.next_at_us());
  return next_us;
}

std::vector<std::string> Watch::uris() const {
  std::set<std::string> uris;
  for (const auto& each : state_->watched)
    for (const auto& source : each.trigger().sources) uris.insert(source.uri);
  return {uris.begin(), uris.end()};
}

}  // namespace weir::arrivals
