#include "orchestrate/rehearsal.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/instant.h"
#include "orchestrate/task_order.h"

namespace weir::orchestrate {
namespace {

enum class TaskNow { kWaiting, kReady, kRunning, kSucceeded, kSkipped };

bool has_ended(TaskNow now) { return now == TaskNow::kSucceeded || now == TaskNow::kSkipped; }

struct RehearsedTask {
  const model::Task* task = nullptr;
  TaskNow now = TaskNow::kWaiting;
  int64_t ready_at_us = 0;
  int64_t ends_at_us = 0;
};

struct Active {
  size_t index = 0;  ///< Of its run.
  const RehearsedFlow* flow = nullptr;
  bool is_running = false;  ///< Else queued.
  std::vector<RehearsedTask> tasks;
};

/// What becomes of a task, given those it needs; nothing fails here. Nothing: it waits.
std::optional<TaskNow> fate_of(const model::Task& task, const std::vector<TaskNow>& needs) {
  if (needs.empty() && task.run_if != model::RunIf::kNever) return TaskNow::kReady;
  const bool are_all_done = std::ranges::all_of(needs, has_ended);
  const bool has_success = std::ranges::find(needs, TaskNow::kSucceeded) != needs.end();
  const bool has_skip = std::ranges::find(needs, TaskNow::kSkipped) != needs.end();
  switch (task.run_if) {
    case model::RunIf::kAllSucceeded:
      if (has_skip) return TaskNow::kSkipped;
      break;
    case model::RunIf::kAnySucceeded:
      if (has_success) return TaskNow::kReady;
      if (are_all_done) return TaskNow::kSkipped;
      return std::nullopt;
    case model::RunIf::kAnyFailed:
    case model::RunIf::kNever:
      if (are_all_done) return TaskNow::kSkipped;
      return std::nullopt;
    case model::RunIf::kAllDone:
    case model::RunIf::kNoneFailed: break;
  }
  if (are_all_done) return TaskNow::kReady;
  return std::nullopt;
}

/// Events in the order of time: tasks end, then runs are asked for, then what can begins.
class Rehearsal {
 public:
  Rehearsal(const std::vector<RehearsedFlow>& flows, std::vector<RehearsedWish> wishes,
            const RehearsalLimits& limits)
      : wishes_(std::move(wishes)), limits_(limits) {
    for (const auto& flow : flows) flows_[flow.flow.flow_id] = &flow;
    std::ranges::stable_sort(wishes_, {}, &RehearsedWish::at_us);
  }

  std::vector<RehearsedRun> go() {
    size_t next = 0;
    while (true) {
      std::optional<int64_t> at_us = next_end();
      if (next < wishes_.size() && (!at_us || wishes_[next].at_us <= *at_us))
        at_us = wishes_[next].at_us;
      if (!at_us) return std::move(runs_);
      now_us_ = *at_us;
      end_tasks();
      settle();  // A run that ends now is in nobody's way.
      for (; next < wishes_.size() && wishes_[next].at_us == now_us_; ++next) ask(wishes_[next]);
      settle();
    }
  }

 private:
  std::optional<int64_t> next_end() const {
    std::optional<int64_t> first;
    for (const auto& active : active_)
      for (const auto& task : active.tasks)
        if (task.now == TaskNow::kRunning && (!first || task.ends_at_us < *first))
          first = task.ends_at_us;
    return first;
  }

  void end_tasks() {
    for (auto& active : active_)
      for (auto& task : active.tasks)
        if (task.now == TaskNow::kRunning && task.ends_at_us <= now_us_) {
          task.now = TaskNow::kSucceeded;
          give_slot_back(*task.task);
        }
  }

  /// Until nothing more can happen at this instant.
  void settle() {
    bool has_moved = true;
    while (has_moved) {
      has_moved = admit();
      for (auto& active : active_)
        if (active.is_running && step(active)) has_moved = true;
      if (end_runs()) has_moved = true;
      for (auto& active : active_)
        if (active.is_running && begin(active)) has_moved = true;
    }
  }

  int64_t count_running(const std::string& flow_id) const {
    return std::ranges::count_if(active_, [&](const Active& each) {
      return each.is_running && each.flow->flow.flow_id == flow_id;
    });
  }

  void ask(const RehearsedWish& wish) {
    const auto found = flows_.find(wish.flow_id);
    if (found == flows_.end()) return;
    const model::Flow& flow = found->second->flow;
    runs_.emplace_back().wish = wish;
    Active active;
    active.index = runs_.size() - 1;
    active.flow = found->second;
    for (const model::Task* task : in_order_of_needs(flow)) active.tasks.push_back({task});
    const auto others = std::ranges::find_if(
        active_, [&](const Active& each) { return each.flow->flow.flow_id == flow.flow_id; });
    const bool has_queued = std::ranges::any_of(active_, [&](const Active& each) {
      return !each.is_running && each.flow->flow.flow_id == flow.flow_id;
    });
    const bool must_wait =
        has_queued || count_running(flow.flow_id) >= std::max<int64_t>(flow.max_active_runs, 1);
    if (must_wait && flow.overlap == model::Overlap::kSkip)
      return end_now(active, RehearsedEnd::kSkipped, *others);
    if (must_wait && flow.overlap == model::Overlap::kFail)
      return end_now(active, RehearsedEnd::kRefused, *others);
    if (must_wait && flow.overlap == model::Overlap::kCancel) cancel_older(active);
    active_.push_back(std::move(active));
  }

  std::string due_of(const Active& active) const {
    return format_instant(runs_[active.index].wish.at_us);
  }

  void end_now(const Active& active, RehearsedEnd end, const Active& other) {
    RehearsedRun& run = runs_[active.index];
    run.end = end;
    run.ended_at_us = now_us_;
    run.remark = "the run due " + due_of(other) + " goes on";
  }

  void cancel_older(const Active& newer) {
    const std::string& flow_id = newer.flow->flow.flow_id;
    for (auto& each : active_) {
      if (each.flow->flow.flow_id != flow_id) continue;
      for (auto& task : each.tasks)
        if (task.now == TaskNow::kRunning) give_slot_back(*task.task);
      RehearsedRun& run = runs_[each.index];
      run.end = RehearsedEnd::kCancelled;
      run.ended_at_us = now_us_;
      run.remark = "by the run due " + due_of(newer);
    }
    std::erase_if(active_, [&](const Active& each) { return each.flow->flow.flow_id == flow_id; });
  }

  bool admit() {
    bool has_moved = false;
    for (auto& active : active_) {
      const model::Flow& flow = active.flow->flow;
      if (active.is_running ||
          count_running(flow.flow_id) >= std::max<int64_t>(flow.max_active_runs, 1))
        continue;
      active.is_running = true;
      runs_[active.index].started_at_us = now_us_;
      has_moved = true;
    }
    return has_moved;
  }

  bool step(Active& active) const {
    bool has_moved = false;
    for (auto& task : active.tasks) {
      if (task.now != TaskNow::kWaiting) continue;
      std::vector<TaskNow> needs;
      for (const auto& need : task.task->needs)
        for (const auto& other : active.tasks)
          if (other.task->task_id == need) needs.push_back(other.now);
      const auto fate = fate_of(*task.task, needs);
      if (!fate) continue;
      task.now = *fate;
      task.ready_at_us = now_us_;
      has_moved = true;
    }
    return has_moved;
  }

  bool begin(Active& active) {
    bool has_moved = false;
    for (auto& task : active.tasks) {
      if (task.now != TaskNow::kReady || !take_slot(*task.task)) continue;
      const auto lasts = active.flow->duration_ms.find(task.task->task_id);
      task.now = TaskNow::kRunning;
      task.ends_at_us =
          now_us_ + (lasts == active.flow->duration_ms.end() ? 0 : lasts->second * 1000);
      runs_[active.index].for_slots_us += now_us_ - task.ready_at_us;
      if (task.ends_at_us == now_us_) {
        task.now = TaskNow::kSucceeded;
        give_slot_back(*task.task);
      }
      has_moved = true;
    }
    return has_moved;
  }

  bool end_runs() {
    const auto is_over = [](const Active& active) {
      return active.is_running && std::ranges::all_of(active.tasks, has_ended, &RehearsedTask::now);
    };
    for (const auto& active : active_)
      if (is_over(active)) runs_[active.index].ended_at_us = now_us_;
    return std::erase_if(active_, is_over) > 0;
  }

  bool take_slot(const model::Task& task) {
    if (limits_.slots > 0 && used_ >= limits_.slots) return false;
    const auto pool = limits_.pools.find(task.pool);
    if (pool != limits_.pools.end() && used_of_pool_[task.pool] >= pool->second) return false;
    ++used_;
    ++used_of_pool_[task.pool];
    return true;
  }

  void give_slot_back(const model::Task& task) {
    --used_;
    --used_of_pool_[task.pool];
  }

  std::map<std::string, const RehearsedFlow*> flows_;
  std::vector<RehearsedWish> wishes_;
  const RehearsalLimits& limits_;
  std::vector<RehearsedRun> runs_;
  std::vector<Active> active_;  ///< By age.
  int64_t now_us_ = 0;
  int64_t used_ = 0;
  std::map<std::string, int64_t> used_of_pool_;
};

}  // namespace

std::string_view to_text(RehearsedEnd end) {
  constexpr std::array<std::string_view, 4> kTexts = {"succeeded", "skipped", "refused",
                                                      "cancelled"};
  return kTexts[static_cast<size_t>(end)];
}

std::vector<RehearsedRun> rehearse(const std::vector<RehearsedFlow>& flows,
                                   std::vector<RehearsedWish> wishes,
                                   const RehearsalLimits& limits) {
  return Rehearsal(flows, std::move(wishes), limits).go();
}

}  // namespace weir::orchestrate
