#include "orchestrate/executor/pool.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>

#include "base/check.h"

namespace weir::orchestrate {
namespace {

class PoolExecutor final : public Executor {
 public:
  PoolExecutor(int64_t slots, Work work) : work_(std::move(work)), slots_(slots) {}

  ~PoolExecutor() override {
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
      TaskExit exit = work_(job.launch, job.cancel);
      exit.run_id = job.launch.row.run_id;
      exit.task_id = job.launch.row.task_id;
      lock.lock();
      jobs_.remove_if([&](const Job& each) { return &each == &job; });
      exits_.push_back(std::move(exit));
      changed_.notify_all();
    }
  }

  const Work work_;
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

std::unique_ptr<Executor> make_pool_executor(int64_t slots, Work work) {
  return std::make_unique<PoolExecutor>(slots, std::move(work));
}

}  // namespace weir::orchestrate
