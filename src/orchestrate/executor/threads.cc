#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "orchestrate/executor.h"
#include "orchestrate/runner/execute_task.h"
#include "orchestrate/runner/run_rows.h"

namespace weir::orchestrate {
namespace {

TaskExit::How how_of(TaskEnd::How how) {
  switch (how) {
    case TaskEnd::How::kNoSlot: return TaskExit::How::kNoSlot;
    case TaskEnd::How::kTaken: return TaskExit::How::kTaken;
    case TaskEnd::How::kEnded: break;
  }
  return TaskExit::How::kDone;
}

class ThreadExecutor final : public Executor {
 public:
  ThreadExecutor(const Services& services, int64_t slots) : services_(services), slots_(slots) {}

  ~ThreadExecutor() override {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
      given_.notify_all();
    }
    workers_.clear();  // joins
  }

  int64_t room() const override {
    const std::lock_guard lock(mutex_);
    return slots_ - std::ssize(jobs_);
  }

  int64_t count() const override {
    const std::lock_guard lock(mutex_);
    return std::ssize(jobs_) + std::ssize(exits_);
  }

  void start(TaskLaunch launch) override {
    const std::lock_guard lock(mutex_);
    jobs_.emplace_back(std::move(launch));
    waiting_.push_back(&jobs_.back());
    if (std::ssize(workers_) < std::min<int64_t>(slots_, std::ssize(jobs_)))
      workers_.emplace_back([this] { serve(); });
    given_.notify_one();
  }

  void cancel(const std::string& run_id, const std::string& reason) override {
    const std::lock_guard lock(mutex_);
    for (Job& job : jobs_)
      if (job.launch.run.run_id == run_id) job.cancel.cancel(reason);
  }

  std::vector<TaskExit> finished() override {
    const std::lock_guard lock(mutex_);
    return std::exchange(exits_, {});
  }

  void wait_ms(int64_t duration_ms) override {
    std::unique_lock lock(mutex_);
    static_cast<void>(changed_.wait_for(lock, std::chrono::milliseconds(duration_ms),
                                        [this] { return !exits_.empty() || is_woken_; }));
    is_woken_ = false;
  }

  void wake() override {
    const std::lock_guard lock(mutex_);
    is_woken_ = true;
    changed_.notify_all();
  }

 private:
  struct Job {
    explicit Job(TaskLaunch what) : launch(std::move(what)) {}
    TaskLaunch launch;
    Cancel cancel;
  };

  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      given_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      Job& job = *waiting_.front();
      waiting_.pop_front();
      lock.unlock();
      TaskExit exit = run(job);
      lock.lock();
      jobs_.remove_if([&](const Job& each) { return &each == &job; });
      exits_.push_back(std::move(exit));
      changed_.notify_all();
    }
  }

  TaskExit run(Job& job) {
    const auto& [flow_run, row, pinned] = job.launch;
    TaskExit exit;
    exit.run_id = row.run_id;
    exit.task_id = row.task_id;
    const auto refuse = [&](const Error& error, TaskExit::How how) {
      exit.how = how;
      exit.error = error;
      return exit;
    };
    auto flow = find_flow(*pinned, flow_run.flow_id);
    if (!flow) return refuse(flow.error(), TaskExit::How::kRefused);
    const auto task = std::ranges::find((*flow)->tasks, row.task_id, &model::Task::task_id);
    WEIR_CHECK(task != (*flow)->tasks.end());
    auto end = execute_task(services_, {pinned.get(), &flow_run, *flow, &*task, row}, job.cancel);
    if (!end) return refuse(end.error(), TaskExit::How::kLost);
    exit.how = how_of(end->how);
    return exit;
  }

  const Services& services_;
  const int64_t slots_;
  mutable std::mutex mutex_;
  std::condition_variable given_;
  std::condition_variable changed_;
  std::list<Job> jobs_ WEIR_GUARDED_BY(mutex_);  // those that wait and those that run
  std::deque<Job*> waiting_ WEIR_GUARDED_BY(mutex_);
  std::vector<TaskExit> exits_ WEIR_GUARDED_BY(mutex_);
  bool is_woken_ WEIR_GUARDED_BY(mutex_) = false;
  bool is_stopping_ WEIR_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> workers_;
};

}  // namespace

std::unique_ptr<Executor> make_thread_executor(const Services& services, int64_t slots) {
  return std::make_unique<ThreadExecutor>(services, slots);
}

}  // namespace weir::orchestrate
