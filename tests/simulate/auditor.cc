#include "auditor.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weir::simulate {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

/// What may follow on what, while servers drive runs. Each with who may do it: s(erver), a(ttempt),
/// p(erson).
struct Step {
  std::string_view from;
  std::string_view to;
  std::string_view who;
};
constexpr std::array kRunSteps = {
    Step{"queued", "running", "s"},    Step{"queued", "skipped", "s"},
    Step{"queued", "failed", "s"},     Step{"queued", "cancelled", "sp"},
    Step{"running", "succeeded", "s"}, Step{"running", "failed", "s"},
    Step{"running", "held", "s"},      Step{"running", "cancelled", "sp"},
    Step{"running", "queued", "p"},    Step{"succeeded", "queued", "p"},
    Step{"failed", "queued", "p"},     Step{"held", "queued", "p"},
    Step{"cancelled", "queued", "p"},  Step{"skipped", "queued", "p"},
};
constexpr std::array kTaskSteps = {
    Step{"waiting", "ready", "s"},
    Step{"waiting", "skipped", "s"},
    Step{"waiting", "cancelled", "sp"},
    Step{"ready", "running", "a"},
    Step{"ready", "failed", "s"},
    Step{"ready", "cancelled", "sp"},
    Step{"running", "succeeded", "a"},
    Step{"running", "held", "a"},
    Step{"running", "failed", "as"},
    Step{"running", "ready", "as"},
    Step{"running", "cancelled", "asp"},
    Step{"ready", "waiting", "p"},
    Step{"running", "waiting", "p"},
    Step{"succeeded", "waiting", "p"},
    Step{"failed", "waiting", "p"},
    Step{"held", "waiting", "p"},
    // What people say of a task once its run has ended.
    Step{"failed", "succeeded", "p"},
    Step{"held", "succeeded", "p"},
    Step{"skipped", "succeeded", "p"},
    Step{"cancelled", "succeeded", "p"},
    Step{"succeeded", "failed", "p"},
    Step{"skipped", "waiting", "p"},
    Step{"cancelled", "waiting", "p"},
};
template <size_t n>
bool may_follow(const std::array<Step, n>& steps, const std::string& from, const std::string& to,
                const std::string& role) {
  return std::ranges::any_of(steps, [&](const Step& step) {
    return step.from == from && step.to == to && !role.empty() &&
           step.who.find(role.front()) != std::string_view::npos;
  });
}

/// Errors that may pass by themselves.
constexpr std::array<std::string_view, 4> kPassing = {"unavailable", "conflict",
                                                      "resource_exhausted", "outcome_unknown"};

bool has_ended(const std::string& state) {
  return state != "queued" && state != "running" && state != "waiting" && state != "ready";
}

const std::string& get(const Image& image, std::string_view column) {
  static const std::string kNone;
  const auto found = image.find(column);
  return found == image.end() ? kNone : found->second;
}
int64_t number(const Image& image, std::string_view column) {
  const std::string& text = get(image, column);
  return text.empty() ? 0 : std::stoll(text);
}
bool is_true(const Image& image, std::string_view column) { return get(image, column) == "1"; }

std::string task_key(const Image& task) { return get(task, "run_id") + "/" + get(task, "task_id"); }
std::string lease_name(const Image& task) {
  return "flow_run:" + get(task, "run_id") + ":" + get(task, "task_id");
}

constexpr int64_t kLongPauseUs = 200 * 1'000'000;  ///< Longer than any pause.

}  // namespace

std::map<std::string, std::vector<std::string>> audited_tables() {
  return {{"flow_run",
           {"run_id", "flow_id", "run_key", "state", "created_at_us", "finished_at_us",
            "cancel_requested", "epoch", "is_served", "server_id", "error_code"}},
          {"task_run",
           {"run_id", "task_id", "state", "attempt", "epoch", "pool", "tries_before", "error_code",
            "not_before_us"}},
          {"lease", {"name", "holder", "epoch", "expires_at_us"}},
          {"reconciliation", {"token", "run_id", "task_id", "hop"}}};
}

void Auditor::complain(const std::string& what) {
  if (!complaint_) complaint_ = what;
}

void Auditor::put(Rows& rows, const std::string& key, const Image& after) {
  if (after.empty())
    rows.erase(key);
  else
    rows[key] = after;
}

void Auditor::take(const std::vector<Change>& changes, const Who& who, int64_t now_us,
                   int64_t last_fault_us) {
  who_ = who;
  now_us_ = now_us;
  last_fault_us_ = last_fault_us;
  retried_.clear();
  left_queue_.clear();
  // One change a row: what it was before the transaction, what it is after.
  std::map<std::pair<std::string, std::string>, Change> whole;
  std::vector<std::pair<std::string, std::string>> order;
  for (const Change& change : changes) {
    const Image& any = change.after.empty() ? change.before : change.after;
    std::string key = change.table == "lease"      ? get(any, "name")
                      : change.table == "flow_run" ? get(any, "run_id")
                      : change.table == "task_run" ? task_key(any)
                                                   : get(any, "token");
    const auto [place, is_new] = whole.try_emplace({change.table, key}, change);
    if (is_new)
      order.emplace_back(change.table, key);
    else
      place->second.after = change.after;
  }
  for (const auto& [table, key] : order) {
    const Change& change = whole.at({table, key});
    if (table == "flow_run") put(runs_, key, change.after);
    if (table == "task_run") put(tasks_, key, change.after);
    if (table == "flow_run" && !change.before.empty() &&
        get(change.before, "state") != get(change.after, "state") &&
        get(change.after, "state") == "queued")
      retried_.insert(key);
    if (table == "flow_run" && get(change.before, "state") == "queued" &&
        get(change.after, "state") == "queued" && who_.role == "person" &&
        number(change.after, "epoch") > number(change.before, "epoch"))
      retried_.insert(key);
    if (table == "flow_run" && get(change.before, "state") == "queued" &&
        has_ended(get(change.after, "state")))
      left_queue_.insert(key);
  }
  for (const auto& [table, key] : order) {
    const Change& change = whole.at({table, key});
    if (table == "lease") judge_lease(change.before, change.after);
    if (table == "flow_run") judge_run(change.before, change.after);
    if (table == "task_run") judge_task(change.before, change.after);
    if (table == "reconciliation") judge_effect(change.after);
    if (table == "flow_run" || table == "task_run") last_progress_us_ = now_us;
  }
  for (const std::string& run_id : left_queue_)
    for (auto each = tasks_.lower_bound(run_id + "/"); each != tasks_.end(); ++each) {
      if (!each->first.starts_with(run_id + "/")) break;
      if (get(each->second, "state") == "waiting")
        complain("task " + each->first + " waits, and its run ended in the queue");
    }
  for (const auto& [table, key] : order)
    if (table == "lease") put(leases_, key, whole.at({table, key}).after);
}

// ---- runs ------------------------------------------------------------------------------------

void Auditor::judge_run(const Image& before, const Image& after) {
  const std::string& run_id = get(after, "run_id");
  if (after.empty()) return complain("a run was deleted: " + get(before, "run_id"));
  if (before.empty()) {
    if (get(after, "state") != "queued")
      complain("run " + run_id + " begins as " + get(after, "state"));
    if (!keys_.insert(get(after, "flow_id") + "/" + get(after, "run_key")).second)
      complain("a second run of " + get(after, "flow_id") + "/" + get(after, "run_key"));
    ++active_;
    return;
  }
  if (number(after, "epoch") < number(before, "epoch"))
    complain("the epoch of run " + run_id + " went back");
  if (get(before, "server_id") != get(after, "server_id")) judge_driver(before, after);
  if (is_true(before, "cancel_requested") && !is_true(after, "cancel_requested") &&
      !retried_.contains(run_id))
    complain("the wish to cancel run " + run_id + " got lost");
  if (!is_true(before, "cancel_requested") && is_true(after, "cancel_requested"))
    cancelled_at_us_[run_id] = now_us_;
  if (get(before, "state") != get(after, "state") || retried_.contains(run_id))
    judge_run_move(before, after);
  else if (has_ended(get(before, "state")) && before != after)
    complain("run " + run_id + " was changed after its end");
}

void Auditor::judge_run_move(const Image& before, const Image& after) {
  const std::string& run_id = get(after, "run_id");
  const std::string& from = get(before, "state");
  const std::string& to = get(after, "state");
  if (retried_.contains(run_id)) {
    judge_retry(before, after);
  } else if (!may_follow(kRunSteps, from, to, who_.role)) {
    complain(fmt::format("run {} went from {} to {} by a {}", run_id, from, to, who_.role));
  }
  if (has_ended(from) && !has_ended(to)) ++active_;
  if (!has_ended(from) && has_ended(to)) --active_;
  if (retried_.contains(run_id)) return;
  const bool is_driver = who_.role == "server" && who_.server_id == get(before, "server_id");
  if (!is_driver && !is_true(before, "cancel_requested"))
    complain(fmt::format("run {} was moved to {} by {} {}, but {} drives it", run_id, to, who_.role,
                         who_.server_id, get(before, "server_id")));
  if (!is_driver && was_alive_all_along("server:" + get(before, "server_id")))
    complain(fmt::format("run {} was ended beside its living driver", run_id));
  if (to == "running") judge_admission(after);
  if (from == "queued" && (to == "skipped" || to == "failed")) judge_turned_away(after);
  if (to == "cancelled" && !is_true(after, "cancel_requested"))
    complain("run " + run_id + " is cancelled, and nobody asked for it");
  if (has_ended(to) && from == "running") judge_end(after);
  if (has_ended(to) && from == "queued") never_begun_.insert(run_id);
}

void Auditor::judge_driver(const Image& before, const Image& after) {
  const std::string& run_id = get(after, "run_id");
  if (number(after, "epoch") <= number(before, "epoch"))
    complain("run " + run_id + " got another driver under the same epoch");
  if (retried_.contains(run_id)) return;
  if (has_ended(get(before, "state"))) complain("run " + run_id + " was claimed after its end");
  const std::string& driver = get(after, "server_id");
  const bool is_given = driver.empty() && who_.server_id == get(before, "server_id");
  if (who_.role != "server" || (driver != who_.server_id && !is_given))
    complain(fmt::format("run {} was given to '{}' by {} {}", run_id, driver, who_.role,
                         who_.server_id));
  if (!get(before, "server_id").empty() && get(before, "server_id") != who_.server_id &&
      was_alive_all_along("server:" + get(before, "server_id")))
    complain("run " + run_id + " was taken from a living server");
  if (!get(before, "server_id").empty() && get(before, "server_id") != who_.server_id &&
      !dead_.contains(get(before, "server_id")) && last_fault_us_ + kLongPauseUs < now_us_)
    complain("run " + run_id + " was taken from a server to which nothing had happened");
}

void Auditor::judge_admission(const Image& run) {
  const PlannedFlow* flow = plan_.find_flow(get(run, "flow_id"));
  int64_t running = 0;
  for (const auto& [run_id, other] : runs_) {
    if (get(other, "flow_id") != flow->id) continue;
    if (get(other, "state") == "running") ++running;
    const auto age = [](const Image& image) {
      return std::pair(number(image, "created_at_us"), get(image, "run_id"));
    };
    if (get(other, "state") == "queued" && age(other) < age(run))
      complain(fmt::format("run {} went before {}, which is older", get(run, "run_id"), run_id));
  }
  if (running > flow->max_active_runs)
    complain(fmt::format("{} runs of flow {} at once", running, flow->id));
}

void Auditor::judge_turned_away(const Image& run) {
  const PlannedFlow* flow = plan_.find_flow(get(run, "flow_id"));
  const auto word = get(run, "state") == "skipped" ? model::Overlap::kSkip : model::Overlap::kFail;
  if (flow->overlap != word)
    complain(
        fmt::format("run {} is {} against its overlap", get(run, "run_id"), get(run, "state")));
}

void Auditor::judge_end(const Image& run) {
  const std::string& run_id = get(run, "run_id");
  std::set<std::string> states;
  for (const Image* task : tasks_of(run_id)) {
    states.insert(get(*task, "state"));
    if (!has_ended(get(*task, "state")))
      complain(fmt::format("run {} ended while task {} is {}", run_id, get(*task, "task_id"),
                           get(*task, "state")));
  }
  const std::string must_be = states.contains("failed")      ? "failed"
                              : states.contains("cancelled") ? "cancelled"
                              : states.contains("held")      ? "held"
                                                             : "succeeded";
  const bool is_empty_cancel = states.empty() && get(run, "state") == "cancelled";
  // Who ends a cancelled run without a driver says so, whatever its tasks had come to.
  const bool is_cancelled_by_others =
      is_true(run, "cancel_requested") && get(run, "state") == "cancelled";
  if (get(run, "state") != must_be && !is_empty_cancel && !is_cancelled_by_others)
    complain(
        fmt::format("run {} ended {} though its tasks say {}", run_id, get(run, "state"), must_be));
}

void Auditor::judge_retry(const Image& before, const Image& after) {
  const std::string& run_id = get(after, "run_id");
  const auto wish = retries_.find(who_.name);
  if (who_.role != "person" || wish == retries_.end())
    return complain("run " + run_id + " was taken up again, and nobody asked for it");
  if (number(after, "epoch") <= number(before, "epoch"))
    complain("run " + run_id + " was taken up again under its old epoch");
  if (is_true(after, "cancel_requested") || !get(after, "finished_at_us").empty() ||
      !get(after, "error_code").empty())
    complain("run " + run_id + " was taken up again with traces of its end");
  if (!has_ended(get(before, "state")) && was_alive_all_along("server:" + get(before, "server_id")))
    complain("run " + run_id + " was taken up again beside its living driver");
  cancelled_at_us_.erase(run_id);
  never_begun_.erase(run_id);
  std::set<std::string> again;
  const PlannedFlow* flow = plan_.find_flow(get(after, "flow_id"));
  for (const auto& task : flow->tasks)
    if (task.id == wish->second ||
        std::ranges::any_of(task.needs, [&](const auto& need) { return again.contains(need); }))
      again.insert(task.id);
  for (const Image* task : tasks_of(run_id)) {
    const std::string& state = get(*task, "state");
    const bool is_fresh = state == "waiting" && number(*task, "not_before_us") == 0 &&
                          number(*task, "tries_before") == number(*task, "attempt") &&
                          get(*task, "error_code").empty();
    const bool may_stay = state == "succeeded" && !again.contains(get(*task, "task_id"));
    if (!is_fresh && !may_stay)
      complain(fmt::format("run {} was taken up again, but not its task {} ({})", run_id,
                           get(*task, "task_id"), state));
  }
}

// ---- tasks -----------------------------------------------------------------------------------

void Auditor::judge_task(const Image& before, const Image& after) {
  if (after.empty()) return complain("a task was deleted: " + task_key(before));
  const std::string key = task_key(after);
  if (before.empty()) {
    if (get(after, "state") != "waiting")
      complain("task " + key + " begins as " + get(after, "state"));
    return;
  }
  if (number(after, "epoch") < number(before, "epoch") ||
      number(after, "attempt") < number(before, "attempt"))
    complain("epoch or attempt of task " + key + " went back");
  if (get(before, "state") != get(after, "state")) return judge_task_move(before, after);
  if (number(after, "attempt") != number(before, "attempt") ||
      number(after, "epoch") != number(before, "epoch"))
    complain("task " + key + " began again while it was " + get(before, "state"));
}

void Auditor::judge_task_move(const Image& before, const Image& after) {
  const std::string key = task_key(after);
  const std::string& from = get(before, "state");
  const std::string& to = get(after, "state");
  const Image& run = runs_[get(after, "run_id")];
  if (!may_follow(kTaskSteps, from, to, who_.role))
    return complain(fmt::format("task {} went from {} to {} by a {}", key, from, to, who_.role));
  if (left_queue_.contains(get(after, "run_id"))) {
    const std::string wanted = get(run, "state") == "cancelled" ? "cancelled" : "skipped";
    if (from != "waiting" || to != wanted)
      complain(fmt::format("task {} went from {} to {} with a run that ended in the queue", key,
                           from, to));
    return;
  }
  if (to == "waiting") {
    if (!retried_.contains(get(after, "run_id"))) complain("task " + key + " was reset alone");
    if (from == "succeeded") {
      const PlannedFlow* flow = plan_.find_flow(get(run, "flow_id"));
      std::set<std::string> again;
      for (const auto& task : flow->tasks)
        if (task.id == retries_[who_.name] ||
            std::ranges::any_of(task.needs, [&](const auto& n) { return again.contains(n); }))
          again.insert(task.id);
      if (!again.contains(get(after, "task_id")))
        complain("task " + key + " succeeded, and was reset");
    }
    return;
  }
  if (who_.role == "server" && who_.server_id != get(run, "server_id") &&
      !is_true(run, "cancel_requested"))
    complain(fmt::format("task {} was moved to {} by server {}, but {} drives its run", key, to,
                         who_.server_id, get(run, "server_id")));
  const bool is_mark = who_.role == "person" && (to == "succeeded" || to == "failed");
  if (is_mark != has_ended(get(run, "state")) && (is_mark || who_.role != "attempt"))
    complain("task " + key + " was moved after the end of its run");
  if (to == "ready" && from == "waiting" && needs_of(after) != "met")
    complain("task " + key + " is ready, but what it needs is " + needs_of(after));
  if (is_mark) return;
  if (to == "skipped" && needs_of(after) != "unmet")
    complain("task " + key + " is skipped, but what it needs is " + needs_of(after));
  if (to == "cancelled" && !is_true(run, "cancel_requested"))
    complain("task " + key + " is cancelled, and nobody asked for it");
  if (to == "running") judge_begin(before, after);
  if (from == "running") judge_attempt_end(after);
  if (from == "running" && who_.role != "attempt") judge_lost(before);
}

void Auditor::judge_begin(const Image& before, const Image& after) {
  ++begins_;
  const std::string key = task_key(after);
  const Image& run = runs_[get(after, "run_id")];
  const PlannedTask* task = planned(after);
  if (get(run, "state") != "running")
    complain(fmt::format("task {} began in a run that is {}", key, get(run, "state")));
  if (number(run, "epoch") != who_.epoch)
    complain(fmt::format("task {} began for a driver of epoch {}, and the run is at {}", key,
                         who_.epoch, get(run, "epoch")));
  if (needs_of(after) != "met")
    complain("task " + key + " began, but what it needs is " + needs_of(after));
  if (number(after, "attempt") != number(before, "attempt") + 1)
    complain("task " + key + " left attempts out");
  if (number(after, "epoch") <= number(before, "epoch"))
    complain("task " + key + " began under an old epoch");
  if (number(after, "attempt") - number(after, "tries_before") > task->retries + 1)
    complain(fmt::format("task {} was tried {} times", key,
                         number(after, "attempt") - number(after, "tries_before")));
  const int64_t early_us = number(before, "not_before_us") - now_us_;
  if (early_us > plan_.most_skew_ms * 1000)
    complain(fmt::format("task {} began {} ms before its time", key, early_us / 1000));
  const std::string& pool = get(after, "pool");
  if (!pool.empty()) {
    const auto in_pool = std::ranges::count_if(tasks_, [&](const auto& each) {
      return get(each.second, "pool") == pool && get(each.second, "state") == "running";
    });
    if (in_pool > plan_.pools.at(pool))
      complain(fmt::format("{} tasks in pool {} at once", in_pool, pool));
  }
  const auto asked = cancelled_at_us_.find(get(after, "run_id"));
  const int64_t patience_us = (plan_.look_ms + 10'000) * 1000;
  if (asked != cancelled_at_us_.end() && asked->second + patience_us < now_us_ &&
      last_fault_us_ + kLongPauseUs < now_us_)
    complain("task " + key + " began long after its run was asked to stop");
}

void Auditor::judge_attempt_end(const Image& after) {
  const std::string key = task_key(after);
  const std::string& to = get(after, "state");
  const PlannedTask* task = planned(after);
  const int64_t tries = number(after, "attempt") - number(after, "tries_before");
  const bool may_pass = std::ranges::find(kPassing, get(after, "error_code")) != kPassing.end();
  if (to == "ready" && (!may_pass || tries > task->retries))
    complain(fmt::format("task {} is tried again after {} tries and error {}", key, tries,
                         get(after, "error_code")));
  const Image& run = runs_[get(after, "run_id")];
  if (to == "failed" && may_pass && tries <= task->retries && !is_true(run, "cancel_requested"))
    complain(fmt::format("task {} failed after {} tries of {}", key, tries, task->retries + 1));
}

void Auditor::judge_lost(const Image& before) {
  if (was_alive_all_along(lease_name(before)))
    complain("task " + task_key(before) + " was ended while its process lives");
}

void Auditor::judge_effect(const Image& effect) {
  ++effects_;
  const std::string key = task_key(effect);
  const Image& task = tasks_[key];
  const std::string mine = fmt::format("{}/{}", get(task, "attempt"), get(task, "epoch"));
  if (get(task, "state") != "running" || get(effect, "hop") != mine)
    complain(fmt::format("attempt {} of task {} had an effect, but the task is {} at {}",
                         get(effect, "hop"), key, get(task, "state"), mine));
}

std::vector<const Image*> Auditor::tasks_of(const std::string& run_id) const {
  std::vector<const Image*> found;
  for (auto each = tasks_.lower_bound(run_id + "/");
       each != tasks_.end() && each->first.starts_with(run_id + "/"); ++each)
    found.push_back(&each->second);
  return found;
}

const PlannedTask* Auditor::planned(const Image& task) const {
  const PlannedFlow* flow = plan_.find_flow(get(runs_.at(get(task, "run_id")), "flow_id"));
  return &*std::ranges::find(flow->tasks, get(task, "task_id"), &PlannedTask::id);
}

std::string Auditor::needs_of(const Image& task) const {
  const PlannedTask* plan = planned(task);
  if (plan->needs.empty()) return "met";
  int64_t open = 0;
  int64_t succeeded = 0;
  int64_t skipped = 0;
  int64_t failed = 0;
  for (const auto& need : plan->needs) {
    const std::string& state = get(tasks_.at(get(task, "run_id") + "/" + need), "state");
    if (!has_ended(state)) ++open;
    if (state == "succeeded") ++succeeded;
    if (state == "skipped") ++skipped;
    if (state == "failed") ++failed;
  }
  const int64_t all = std::ssize(plan->needs);
  const int64_t others = all - open - succeeded;
  using model::RunIf;
  switch (plan->run_if) {
    case RunIf::kAllSucceeded: return others > 0 ? "unmet" : open > 0 ? "open" : "met";
    case RunIf::kAllDone: return open > 0 ? "open" : "met";
    case RunIf::kNoneFailed: return others > skipped ? "unmet" : open > 0 ? "open" : "met";
    case RunIf::kAnySucceeded: return succeeded > 0 ? "met" : open > 0 ? "open" : "unmet";
    case RunIf::kNever: return open > 0 ? "open" : "unmet";
    case RunIf::kAnyFailed: return failed > 0 ? "met" : open > 0 ? "open" : "unmet";
  }
  return "?";
}

// ---- leases ----------------------------------------------------------------------------------

bool Auditor::is_alive(const Image& lease) const {
  return number(lease, "expires_at_us") > now_us_ && !gone_.contains(get(lease, "holder"));
}

const Image* Auditor::lease_of(const std::string& name) const {
  const auto found = leases_.find(name);
  return found == leases_.end() ? nullptr : &found->second;
}

bool Auditor::was_alive_all_along(const std::string& name) const {
  const Image* lease = lease_of(name);
  if (lease == nullptr || !is_alive(*lease)) return false;
  const auto dead = dead_at_us_.find(name);
  return dead == dead_at_us_.end() || dead->second + kLongPauseUs < now_us_;
}

void Auditor::judge_lease(const Image& before, const Image& after) {
  const std::string& name = get(before.empty() ? after : before, "name");
  const bool was_alive = !before.empty() && is_alive(before);
  if (before.empty() || after.empty() || number(before, "epoch") != number(after, "epoch"))
    dead_at_us_.erase(name);
  else if (!was_alive)
    dead_at_us_[name] = now_us_;
  if (before.empty() || after.empty()) return;
  if (number(after, "epoch") < number(before, "epoch")) complain("lease " + name + " went back");
  if (was_alive && number(after, "epoch") != number(before, "epoch"))
    complain("lease " + name + " was taken from " + get(before, "holder") + ", which holds it");
}

// ---- the end ---------------------------------------------------------------------------------

void Auditor::note_launch(const std::string& run_id, const std::string& task_id, int64_t now_us) {
  auto& [since_us, count] = launches_[run_id + "/" + task_id];
  if (now_us - since_us > 1'000'000) {
    since_us = now_us;
    count = 0;
  }
  if (++count > 15) complain("task " + run_id + "/" + task_id + " is launched over and over");
}

std::vector<Auditor::Seen> Auditor::runs() const {
  std::vector<Seen> seen;
  for (const auto& [run_id, run] : runs_) {
    const Image* lease = lease_of("server:" + get(run, "server_id"));
    seen.push_back(
        {run_id, get(run, "flow_id"), get(run, "state"), lease != nullptr && is_alive(*lease)});
  }
  return seen;
}

std::string Auditor::describe_open() const {
  std::string text;
  for (const auto& [run_id, run] : runs_) {
    if (has_ended(get(run, "state"))) continue;
    text += fmt::format(" {} of {} is {} (epoch {}, server '{}')", run_id, get(run, "flow_id"),
                        get(run, "state"), get(run, "epoch"), get(run, "server_id"));
    for (const Image* task : tasks_of(run_id))
      text += fmt::format(" {}={}", get(*task, "task_id"), get(*task, "state"));
  }
  return text;
}

void Auditor::finish() {
  for (const auto& wish : plan_.wishes)
    if (!has_run(wish.flow_id, wish.run_key))
      complain("what was due at " + std::to_string(wish.time_us) + " was never started");
  for (const auto& [run_id, run] : runs_) {
    if (!has_ended(get(run, "state"))) complain("run " + run_id + " never ended");
    for (const Image* task : tasks_of(run_id))
      if (!has_ended(get(*task, "state")) &&
          (get(*task, "state") != "waiting" || !never_begun_.contains(run_id)))
        complain(fmt::format("task {} says {} for ever", task_key(*task), get(*task, "state")));
  }
}

}  // namespace weir::simulate
