#include "cli/serving/serving.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

#include "base/instant.h"
#include "catalog/waiting_starts.h"
#include "cli/event_log.h"
#include "cli/project.h"
#include "cli/pruning.h"
#include "orchestrate/courier.h"
#include "orchestrate/restart.h"
#include "orchestrate/runner.h"

namespace weir::cli {
namespace {

constexpr int64_t kRefreshMs = 1000;
constexpr int64_t kPausesMs = 5000;  ///< How often it looks which flows are paused.
constexpr int64_t kAfterFaultMs = 1000;
constexpr int64_t kForgetMs = 3'600'000;
constexpr int64_t kForgottenAtOnce = 1000;
constexpr int64_t kKeptOfFlow = 20;
constexpr auto kTellPause = std::chrono::milliseconds(2000);

/// The URL of the catalog is no word of a command: it may have a password in it.
std::map<std::string, std::string> child_environment(const Session& session) {
  if (session.flags().catalog.empty()) return {};
  return {{"WEIR_CATALOG", session.flags().catalog}};
}

orchestrate::Services services_of_server(Session& session, int64_t lease_ms, UsageTotals& usage) {
  orchestrate::Services services = session.services();
  services.lease_ms = lease_ms;
  services.on_attempt_end = [&usage](const std::string& flow_id, const catalog::TaskRun& row) {
    usage.note(flow_id, row);
  };
  JsonLog* const log = session.json_log();
  if (log == nullptr) return services;
  services.on_event = [log](const orchestrate::Event& event) { log_event(*log, event); };
  return services;
}

}  // namespace

Serving::Serving(Session& session, ServingOptions options)
    : session_(session),
      options_(options),
      services_(services_of_server(session, options.lease_ms, usage_)),
      heads_(session),
      forks_({session.wiring().program, std::string(kForkServer)}),
      executor_(options.uses_threads
                    ? orchestrate::make_thread_executor(services_, options.slots)
                    : orchestrate::make_process_executor(
                          {.slots = options.slots,
                           .command = [this](const auto& launch) { return command_of(launch); },
                           .environment = child_environment(session),
                           .on_line =
                               [this](const auto& launch, std::string_view line) {
                                 const auto& [run, row, pinned] = launch;
                                 if (JsonLog* const log = session_.json_log())
                                   return relay_line(*log, line,
                                                     {{"flow_id", run.flow_id},
                                                      {"run_id", run.run_id},
                                                      {"task_id", row.task_id}});
                                 services_.log->info("run {}, task '{}': {}", run.run_id,
                                                     row.task_id, line);
                               },
                           .forks = &forks_})),
      schedules_(*services_.catalog, *services_.clock, *services_.log, zones_),
      arrivals_(
          session, [this] { return heads_.known(); }, [this] { executor_->wake(); }),
      coordinator_(services_,
                   {.head =
                        [this](const orchestrate::RunWish& wish) {
                          return heads_.of_run({.flow_id = wish.flow_id, .params = wish.params});
                        },
                    .version = [this](const std::string& hash) { return heads_.of_version(hash); },
                    .rules = [this] { return heads_.rules(); }},
                   *executor_, {&schedules_, &arrivals_},
                   {.server_id = make_uuid7(*services_.clock, *services_.random),
                    .look_ms = options.look_ms,
                    .most_runs = 1000}) {}

void Serving::begin() {
  arrivals_.begin();
  driver_ = std::jthread([this](const std::stop_token& stop) { drive(stop); });
  teller_ = std::jthread([this](const std::stop_token& stop) { tell(stop); });
}

Serving::~Serving() { stop(0); }

bool Serving::stop(int64_t grace_ms) {
  is_draining_ = true;
  executor_->wake();
  const int64_t until_us = services_.clock->monotonic_us() + grace_ms * 1000;
  while (tasks_ > 0 && services_.clock->monotonic_us() < until_us)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  driver_.request_stop();
  executor_->wake();
  if (driver_.joinable()) driver_.join();
  teller_.request_stop();
  sending_.cancel("the server stops");
  if (teller_.joinable()) teller_.join();
  const bool is_idle = executor_->count() == 0;
  if (const Status left = coordinator_.leave(); !left)
    services_.log->warning("what this server drove is taken up once its lease is over: {}",
                           to_line(left.error()));
  return is_idle;
}

// One thread does all that changes runs.
void Serving::drive(const std::stop_token& stop) {
  int64_t refreshed_us = 0;
  while (!stop.stop_requested()) {
    const int64_t now_us = services_.clock->monotonic_us();
    if (refreshed_us == 0 || now_us - refreshed_us >= kRefreshMs * 1000) {
      refresh();
      refreshed_us = now_us;
    }
    if (is_draining_) coordinator_.drain();
    if (has_queued_.exchange(false)) coordinator_.look_soon();
    const auto next_us = coordinator_.step();
    runs_ = coordinator_.count_runs();
    tasks_ = executor_->count();
    const auto decisions = coordinator_.decisions();
    decisions_ = decisions.count;
    deciding_us_ = decisions.took_us;
    lag_us_ = schedules_.lag_us(services_.clock->now_us());
    int64_t pause_ms = kAfterFaultMs;
    if (next_us) {
      stepped_at_us_ = services_.clock->monotonic_us();
      pause_ms = (*next_us - services_.clock->now_us() + 999) / 1000;
    } else {
      services_.log->warning("driving runs: {}", to_line(next_us.error()));
    }
    executor_->wait_ms(std::clamp<int64_t>(pause_ms, 0, kRefreshMs));
  }
}

Status Serving::forget_waiting_starts(const Heads::KeptHead& head,
                                      const std::set<std::string>& paused) {
  catalog::WaitingStarts& starts = services_.catalog->waiting_starts();
  WEIR_ASSIGN(const auto waiting, starts.list_waiting_starts());
  for (const auto& start : waiting) {
    const model::Flow* flow = head->configuration.find_flow(start.flow_id);
    const bool is_of_file = start.trigger == "file";
    const auto starter = [&](const model::Flow& each) {
      return is_of_file ? each.file_trigger
                        : model::with_calendar(head->configuration, each.schedule);
    };
    const model::Flow* before =
        seen_ == nullptr ? nullptr : seen_->configuration.find_flow(start.flow_id);
    const bool is_changed =
        flow != nullptr && before != nullptr && starter(*flow) != starter(*before);
    if (flow != nullptr && flow->is_enabled && !paused.contains(flow->flow_id) &&
        !starter(*flow).is_null() && !is_changed)
      continue;
    WEIR_TRY(starts.forget_waiting_start(start.flow_id, start.trigger));
  }
  return {};
}

/// Another configuration, or other flows are paused.
void Serving::refresh() {
  const auto current = heads_.current();
  // What is known goes on: runs that come due then cannot begin, and people are told so.
  const auto head = current ? current : heads_.known();
  const int64_t now_us = services_.clock->monotonic_us();
  const std::string why = current ? "" : to_line(current.error());
  if (!current && why != told_) services_.log->warning("the configuration cannot be used: {}", why);
  // Something was mended, or something else is wrong.
  if (why != told_) coordinator_.retry_starts();
  told_ = why;
  if (!head) return;
  const bool is_new = *head != seen_;
  if (is_new) coordinator_.retry_starts();
  if (is_new)
    for (const auto& fault : (*head)->faults) services_.log->warning("{}", fault);
  if (!is_new && now_us - paused_seen_us_ < kPausesMs * 1000) return;
  const auto take = [&]() -> Status {
    WEIR_ASSIGN(const auto states, services_.catalog->flow_states());
    std::set<std::string> paused;
    for (const auto& state : states)
      if (state.is_paused) paused.insert(state.flow_id);
    WEIR_TRY(forget_waiting_starts(*head, paused));
    arrivals_.take_paused(std::move(paused));
    return schedules_.take((*head)->configuration);
  };
  const Status taken = take();
  if (!taken) {
    services_.log->warning("schedules: {}", to_line(taken.error()));
    return;
  }
  seen_ = *head;
  paused_seen_us_ = now_us;
}

void Serving::tell(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any pause;
  std::unique_lock lock(mutex);
  std::string told;  ///< Once, however often it fails so.
  while (!stop.stop_requested()) {
    const auto pass = [&]() -> Status {
      WEIR_ASSIGN(const auto head, heads_.known());
      if (!orchestrate::tells(head->configuration)) return {};
      WEIR_TRY(orchestrate::look_for_silent_runs(services_, head->configuration));
      WEIR_ASSIGN(const auto sent, orchestrate::send_due(services_, head->configuration, sending_));
      if (!sent.first_error.empty())
        services_.log->warning("a notification was not sent, and will be tried again: {}",
                               sent.first_error);
      return {};
    }();
    const std::string fault = pass ? "" : to_line(pass.error());
    if (!fault.empty() && fault != told) services_.log->warning("notifications: {}", fault);
    told = fault;
    forget_old_runs();
    static_cast<void>(pause.wait_for(lock, stop, kTellPause, [] { return false; }));
  }
}

// Some at a time: messages wait meanwhile. Several servers do no harm to each other.
void Serving::forget_old_runs() {
  const int64_t now_us = services_.clock->monotonic_us();
  if (options_.keep_runs_ms == 0 || now_us < forgets_next_us_) return;
  const auto pruned = prune(session_, options_.keep_runs_ms,
                            {.keep = kKeptOfFlow, .most = kForgottenAtOnce}, "weir serve");
  if (!pruned) {
    services_.log->warning("old runs are not forgotten yet: {}", to_line(pruned.error()));
  } else if (!pruned->is_nothing()) {
    services_.log->info("forgot {}", text_of(*pruned));
    if (pruned->has_more) return;
  }
  forgets_next_us_ = now_us + kForgetMs * 1000;
}

std::vector<std::string> Serving::command_of(const orchestrate::TaskLaunch& launch) const {
  const Flags& flags = session_.flags();
  std::vector<std::string> words = {session_.wiring().program, "--project", session_.folder(),
                                    "--output", "json"};
  if (!flags.environment.empty()) words.insert(words.end(), {"--env", flags.environment});
  for (const auto& variable : flags.variables) words.insert(words.end(), {"--var", variable});
  if (session_.json_log() != nullptr) words.insert(words.end(), {"--log-format", "json"});
  words.insert(words.end(),
               {"task", "run", "--flow", launch.run.flow_id, "--task", launch.row.task_id,
                "--run-key", launch.run.run_key, "--driver-epoch", std::to_string(launch.run.epoch),
                "--lease", format_duration_ms(options_.lease_ms)});
  return words;
}

Result<catalog::FlowRun> Serving::start_run(const server::RunRequest& request) {
  WEIR_ASSIGN(const Heads::Kept pinned,
              heads_.of_run({.flow_id = request.flow_id, .params = request.params}));
  orchestrate::RunWish wish;
  wish.flow_id = request.flow_id;
  wish.run_key = request.run_key;
  wish.trigger = "manual";
  wish.params = request.params;
  wish.logical_time_us = request.logical_time_us;
  WEIR_ASSIGN(const auto started, orchestrate::enqueue_run(services_, *pinned, wish));
  has_queued_ = true;
  executor_->wake();
  return started.run;
}

Result<catalog::FlowRun> Serving::retry_run(const server::RetryRequest& request) {
  WEIR_ASSIGN(const auto run, services_.catalog->flow_run(request.run_id));
  orchestrate::RetryRequest retry;
  retry.run_id = request.run_id;
  retry.from_task = request.from_task;
  retry.may_change_configuration = request.config != "same";
  WEIR_ASSIGN(const Heads::Kept pinned,
              request.config == "latest"
                  ? heads_.of_run({.flow_id = run.flow_id, .params = run.params})
                  : heads_.of_version(request.config == "same" ? run.config_hash : request.config));
  WEIR_ASSIGN(auto queued, orchestrate::enqueue_retry(services_, *pinned, retry));
  has_queued_ = true;
  executor_->wake();
  return queued;
}

Result<catalog::FlowRun> Serving::cancel_run(const std::string& run_id) {
  WEIR_ASSIGN(auto run, orchestrate::cancel_run(services_, run_id));
  has_queued_ = true;
  executor_->wake();
  return run;
}

Result<int64_t> Serving::take_arrivals(const server::ArrivalsRequest& request) {
  WEIR_ASSIGN(const auto head, heads_.current());
  const auto triggers =
      arrivals::triggers_of(head->configuration, session_.folder(), request.flow_id);
  if (triggers.usable.empty() && !request.flow_id.empty())
    return fail_with_hint(ErrorCode::kInvalidData,
                          fmt::format("no file starts flow '{}'", request.flow_id),
                          "give it a file_trigger, and apply");
  WEIR_ASSIGN(const int64_t new_events,
              arrivals::take_body_for(triggers.usable, dump_json(request.body), *services_.catalog,
                                      *services_.clock));
  if (new_events > 0) arrivals_.look_soon();
  return new_events;
}

server::SchedulerState Serving::state() const {
  server::SchedulerState state;
  const int64_t silent_us = services_.clock->monotonic_us() - stepped_at_us_;
  state.is_ready = silent_us < services_.lease_ms * 1000 && !is_draining_;
  if (is_draining_)
    state.reason = "it is told to stop";
  else if (!state.is_ready)
    state.reason = "the scheduler has not worked for a while: its log says why";
  state.scheduler_lag_us = lag_us_;
  state.decisions = decisions_;
  state.deciding_us = deciding_us_;
  state.queue_length = {{"runs", runs_}, {"tasks", tasks_}};
  return state;
}

}  // namespace weir::cli
