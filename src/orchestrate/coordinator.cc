#include "orchestrate/coordinator.h"

#include <algorithm>
#include <set>

#include "base/redact.h"
#include "catalog/waiting_starts.h"
#include "orchestrate/machine/transitions.h"
#include "orchestrate/notices.h"
#include "orchestrate/run_values.h"
#include "orchestrate/runner/admission.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::RunState;

/// Somebody else moved it: he goes on with it.
template <typename T>
bool is_lost(const Result<T>& result) {
  return !result && result.error().code == ErrorCode::kConflict;
}

constexpr int64_t kLongestPauseMs = 60'000;  ///< Between two tries to begin a run.
constexpr int64_t kLongFailureMs = 1000;     ///< Others, and our lease, have their turn after it.

constexpr std::string_view kAsked = "cancelled by request";

}  // namespace

Result<catalog::Catalog::Started> enqueue_run(const Services& services, const Pinned& pinned,
                                              const RunWish& wish) {
  WEIR_ASSIGN(const model::Flow* flow, find_flow(pinned, wish.flow_id));
  if (!flow->is_enabled)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("flow '{}' is not enabled", flow->flow_id),
                          "set `is_enabled: true` on it");
  FlowRun run = new_run(services, pinned, flow->flow_id, wish.run_key, wish.trigger);
  run.rerun_of = wish.rerun_of;
  run.is_served = true;
  if (wish.logical_time_us != 0) run.logical_time_us = wish.logical_time_us;
  run.interval_start_us = wish.interval_start_us;
  run.interval_end_us = wish.interval_end_us;
  run.backfill_id = wish.backfill_id;
  WEIR_TRY(give_values(*flow, wish.params, run));
  WEIR_ASSIGN(auto started, services.catalog->start_run(run, new_rows(*flow, run.run_id)));
  if (started.is_new) WEIR_TRY(tell_warnings(services, pinned, started.run.run_id));
  return started;
}

Coordinator::Coordinator(const Services& services, Pinning pinning, Executor& executor,
                         std::vector<RunSource*> sources, CoordinatorOptions options)
    : services_(services),
      pinning_(std::move(pinning)),
      executor_(executor),
      sources_(std::move(sources)),
      options_(std::move(options)) {}

Result<int64_t> Coordinator::step() {
  WEIR_TRY(keep_lease());
  WEIR_TRY(take_exits());
  if (!is_draining_) WEIR_TRY(start_due());
  if (services_.clock->now_us() >= next_look_us_) WEIR_TRY(look_around());
  WEIR_TRY(step_runs());
  int64_t next_us = std::min(next_look_us_, renewed_at_us_ + services_.lease_ms * 1000 / 3);
  for (const RunSource* source : sources_)
    if (!is_draining_) next_us = std::min(next_us, next_of(source));
  for (const auto& [run_id, driven] : runs_) next_us = std::min(next_us, driven.next_us);
  return next_us;
}

// The lease is renewed by who does the work and by nobody else: a server that hangs loses it.
Status Coordinator::keep_lease() {
  const int64_t now_us = services_.clock->now_us();
  const bool is_fresh =
      now_us >= renewed_at_us_ && now_us < renewed_at_us_ + services_.lease_ms * 1000 / 3;
  if (lease_ && is_fresh) return {};
  if (lease_) {
    const Status renewed = services_.catalog->renew_lease(*lease_, services_.lease_ms);
    if (!renewed && !is_lost(renewed)) return renewed;
    if (!renewed) lease_.reset();
  }
  if (!lease_) {
    const std::string name = std::string(catalog::kServerLease) + options_.server_id;
    WEIR_ASSIGN(auto taken,
                services_.catalog->take_lease(name, services_.holder, services_.lease_ms, 0));
    if (!taken)
      return fail(ErrorCode::kConflict, "another process is server {}", options_.server_id);
    lease_ = std::move(taken);
  }
  renewed_at_us_ = now_us;
  return {};
}

int64_t Coordinator::next_of(const RunSource* source) const {
  const auto again = ask_again_us_.find(source);
  return std::max(source->next_us(), again == ask_again_us_.end() ? 0 : again->second);
}

Status Coordinator::start_due() {
  for (RunSource* source : sources_) {
    const int64_t now_us = services_.clock->now_us();
    if (next_of(source) > now_us) continue;
    // What cannot start is asked for again, but not without a pause.
    const int64_t again_us = now_us + options_.look_ms * 1000;
    ask_again_us_.erase(source);
    const int64_t asked_us = services_.clock->monotonic_us();
    auto wishes = source->due(now_us);
    decisions_.took_us += services_.clock->monotonic_us() - asked_us;
    ++decisions_.count;
    if (!wishes) {
      services_.log->warning("what is due is not known: {}", to_line(wishes.error()));
      ask_again_us_[source] = again_us;
      continue;
    }
    // Of one flow they come oldest first: what is behind one that cannot start waits for it.
    std::set<std::string> waiting;
    for (const RunWish& wish : *wishes) {
      if (waiting.contains(wish.flow_id)) continue;
      const int64_t began_us = services_.clock->monotonic_us();
      WEIR_ASSIGN(const bool has_started, start(wish, *source));
      if (has_started) continue;
      ask_again_us_[source] = again_us;
      waiting.insert(wish.flow_id);
      // A database that does not answer: the wishes behind it come with the next step.
      if (services_.clock->monotonic_us() - began_us < kLongFailureMs * 1000) continue;
      ask_again_us_.erase(source);
      break;
    }
  }
  return {};
}

Result<bool> Coordinator::start(const RunWish& wish, RunSource& source) {
  const auto held = waiting_.find({wish.flow_id, wish.trigger});
  if (held != waiting_.end() && services_.clock->now_us() < held->second.next_us) return false;
  const auto pinned = pinning_.head(wish);
  const auto started =
      pinned ? enqueue_run(services_, **pinned, wish) : std::unexpected(pinned.error());
  if (pinned && !started && is_retried(started.error().code))
    return std::unexpected(started.error());
  if (!started) {
    const model::Flow* flow = pinned ? (*pinned)->configuration.find_flow(wish.flow_id) : nullptr;
    // Switched off or removed since it came due: its source will know. No fault.
    if (pinned && (flow == nullptr || !flow->is_enabled)) return false;
    WEIR_TRY(note_waiting(wish, started.error()));
    return false;
  }
  WEIR_TRY(source.started(wish, started->run));
  if (waiting_.erase({wish.flow_id, wish.trigger}) > 0)
    services_.log->info("flow '{}' starts again", wish.flow_id);
  if (started->is_new) look_soon();
  return true;
}

// Pauses double, so that a database that is down is not asked each second for each flow.
Status Coordinator::note_waiting(const RunWish& wish, const Error& error) {
  Waiting& waiting = waiting_[{wish.flow_id, wish.trigger}];
  constexpr int64_t kMostDoublings = 16;
  const int64_t pause_ms =
      std::min(options_.look_ms << std::min(waiting.tries, kMostDoublings), kLongestPauseMs);
  ++waiting.tries;
  waiting.next_us = services_.clock->now_us() + pause_ms * 1000;
  catalog::WaitingStart start;
  start.flow_id = wish.flow_id;
  start.trigger = wish.trigger;
  start.run_key = wish.run_key;
  start.logical_time_us = wish.logical_time_us;
  start.next_try_us = waiting.next_us;
  start.error_code = std::string(to_text(error.code));
  start.error_text = process_redactor().clean(to_line(error));
  start.error_hint = process_redactor().clean(error.hint);
  catalog::Notices notices;
  if (pinning_.rules) {
    if (const auto rules = pinning_.rules())
      notices = notices_of_waiting_start(services_, **rules, start);
    else
      services_.log->warning("nobody is told that flow '{}' cannot start: {}", wish.flow_id,
                             to_line(rules.error()));
  }
  WEIR_ASSIGN(const bool is_news,
              services_.catalog->waiting_starts().note_waiting_start(start, notices));
  if (!is_news) return {};
  services_.log->warning("flow '{}' cannot start, and is tried again: {}", wish.flow_id,
                         start.error_text);
  return {};
}

void Coordinator::retry_starts() {
  for (auto& [flow, waiting] : waiting_) waiting = {};
}

Status Coordinator::look_around() {
  WEIR_ASSIGN(const auto served, services_.catalog->served_runs());
  next_look_us_ = services_.clock->now_us() + options_.look_ms * 1000;
  int64_t room = executor_.room();
  for (const auto& [run, is_driven] : served) {
    auto own = runs_.find(run.run_id);
    // Not ours any more. Its attempts go on, as where a step finds out.
    if (own != runs_.end() && run.epoch != own->second.run.epoch) {
      runs_.erase(own);
      own = runs_.end();
    }
    if (own != runs_.end()) {
      Driven& driven = own->second;
      if (run.cancel_requested && !driven.run.cancel_requested) {
        driven.run.cancel_requested = true;
        driven.next_us = 0;
      }
      continue;
    }
    // One that says it is ours was claimed without our knowing: the answer was lost.
    const bool is_unknown = run.server_id == options_.server_id;
    if ((is_driven && !is_unknown) || is_draining_ || room <= 0 ||
        count_runs() >= options_.most_runs)
      continue;
    --room;
    WEIR_TRY(take_up(run));
  }
  for (auto& [run_id, driven] : runs_) {
    if (driven.has_told_late) continue;
    const auto late = notices_of_late(services_, driven.pinned->configuration, driven.run);
    if (late.empty()) continue;
    WEIR_TRY(services_.catalog->add_notices(late));
    driven.has_told_late = true;
  }
  return {};
}

Status Coordinator::take_up(const FlowRun& run) {
  auto claimed = services_.catalog->claim_run(key_of(run), options_.server_id);
  if (is_lost(claimed)) return {};
  if (!claimed) return std::unexpected(claimed.error());
  Driven driven;
  driven.run = *std::move(claimed);
  auto pinned = pinning_.version(driven.run.config_hash);
  if (!pinned) return refuse_run(driven.run, pinned.error());
  driven.pinned = *std::move(pinned);
  runs_[run.run_id] = std::move(driven);
  return {};
}

Status Coordinator::refuse_run(const FlowRun& run, const Error& error) {
  services_.log->warning("run {} of flow '{}' cannot go on: {}", run.run_id, run.flow_id,
                         to_line(error));
  // What may pass is tried again by whoever takes the run up next.
  if (is_retried(error.code)) {
    const auto given = services_.catalog->claim_run(key_of(run), "");
    return given || is_lost(given) ? Status() : Status(std::unexpected(given.error()));
  }
  WEIR_ASSIGN(const RunState to, next_state(run.state, RunEvent::kRefuse));
  FlowRun ended = run;
  ended.error_code = std::string(to_text(error.code));
  ended.error_text = to_line(error);
  // Its own configuration may be what cannot be read: the rules of today are told.
  catalog::Notices notices;
  RunWish again;
  again.flow_id = run.flow_id;
  again.params = run.params;
  if (const auto head = pinning_.head(again))
    notices = notices_of_end(services_, (*head)->configuration, ended, to, {});
  const Status moved =
      services_.catalog->move_run(key_of(run), to, ended.error_code, ended.error_text, notices);
  return is_lost(moved) ? Status() : moved;
}

Status Coordinator::take_exits() {
  for (TaskExit& exit : executor_.finished()) exits_.push_back(std::move(exit));
  // Where the catalog fails, what was not taken is taken by a later step.
  while (!exits_.empty()) {
    const auto own = runs_.find(exits_.front().run_id);
    if (own != runs_.end() && own->second.driver != nullptr) {
      own->second.next_us = 0;
      const Status taken = own->second.driver->take(exits_.front());
      if (!taken && is_retried(taken.error().code)) return taken;
      // Of this run alone: its next step says so again, and ends it.
      if (!taken) services_.log->warning("{}", to_line(taken.error()));
    }
    exits_.erase(exits_.begin());
  }
  return {};
}

Status Coordinator::step_runs() {
  std::set<std::string> flows_with_room;
  for (auto next = runs_.begin(); next != runs_.end();) {
    Driven& driven = next->second;
    const bool has_room =
        driven.driver != nullptr && driven.driver->lacks_room() && executor_.room() > 0;
    if (driven.next_us > services_.clock->now_us() && !has_room) {
      ++next;
      continue;
    }
    const auto goes_on = step_run(driven);
    if (!goes_on && is_retried(goes_on.error().code)) return std::unexpected(goes_on.error());
    // What is wrong with one run must not hold up the others.
    if (!goes_on) WEIR_TRY(refuse_run(driven.run, goes_on.error()));
    if (goes_on && *goes_on) {
      ++next;
      continue;
    }
    flows_with_room.insert(driven.run.flow_id);
    next = runs_.erase(next);
  }
  if (flows_with_room.empty()) return {};
  // Who waited for them goes on at once, here or among those that nobody has taken up yet.
  for (auto& [run_id, driven] : runs_)
    if (driven.driver == nullptr && flows_with_room.contains(driven.run.flow_id))
      driven.next_us = 0;
  look_soon();
  return {};
}

Result<bool> Coordinator::step_run(Driven& driven) {
  if (driven.driver == nullptr) {
    WEIR_ASSIGN(const bool goes_on, step_queued(driven));
    if (!goes_on || driven.driver == nullptr) return goes_on;
  }
  RunDriver::Wish wish;
  wish.may_launch = !is_draining_;
  if (driven.run.cancel_requested) wish.stopping = kAsked;
  WEIR_ASSIGN(const RunDriver::Now now, driven.driver->step(executor_, wish));
  // Its attempts go on: they hold their tasks' leases, and who drives the run now waits for them.
  // To stop them would end the tasks as cancelled, and with them the run.
  if (now == RunDriver::Now::kLost) return false;
  if (now == RunDriver::Now::kEnded) {
    services_.tell({"run_finished",
                    driven.run.run_id,
                    "",
                    {{"flow", driven.run.flow_id},
                     {"state", to_text(driven.driver->run().state)},
                     {"message", driven.driver->run().error_text}}});
    return false;
  }
  driven.next_us = driven.driver->next_us();
  return true;
}

Result<bool> Coordinator::step_queued(Driven& driven) {
  if (driven.run.state == RunState::kQueued) {
    driven.next_us = services_.clock->now_us() + options_.look_ms * 1000;
    if (is_draining_) return true;
    const auto flow = find_flow(*driven.pinned, driven.run.flow_id);
    if (!flow) {
      WEIR_TRY(refuse_run(driven.run, flow.error()));
      return false;
    }
    const std::string stopping(driven.run.cancel_requested ? kAsked : "");
    const auto look = look_at_admission(services_, driven.pinned->configuration, **flow, driven.run,
                                        stopping, driven.has_asked);
    if (is_lost(look)) return false;
    if (!look) return std::unexpected(look.error());
    if (*look == Admission::kEnded) return false;
    if (*look == Admission::kWaits) return true;
    WEIR_ASSIGN(const FlowRun admitted, services_.catalog->flow_run(driven.run.run_id));
    if (admitted.epoch != driven.run.epoch || admitted.state != RunState::kRunning) return false;
    driven.run = admitted;
    services_.tell({"run_started",
                    driven.run.run_id,
                    "",
                    {{"flow", driven.run.flow_id}, {"run_key", driven.run.run_key}}});
  }
  auto opened = RunDriver::open(services_, driven.pinned, driven.run);
  if (!opened && opened.error().code == ErrorCode::kInvalidConfig) {
    WEIR_TRY(refuse_run(driven.run, opened.error()));
    return false;
  }
  if (!opened) return std::unexpected(opened.error());
  driven.driver = *std::move(opened);
  return true;
}

Status Coordinator::leave() {
  for (const auto& [run_id, driven] : runs_) {
    // As it stands: admitted or not, it is ours while the epoch is.
    WEIR_ASSIGN(const FlowRun stored, services_.catalog->flow_run(run_id));
    if (stored.epoch != driven.run.epoch || is_final(stored.state)) continue;
    const auto given = services_.catalog->claim_run(key_of(stored), "");
    if (!given && !is_lost(given)) return std::unexpected(given.error());
  }
  runs_.clear();
  if (!lease_) return {};
  const Status released = services_.catalog->release_lease(*lease_);
  lease_.reset();
  return is_lost(released) ? Status() : released;
}

}  // namespace weir::orchestrate
