#pragma once

/// Runs that are due because files arrived, looked for on a thread of its own: a listing may take
/// long, and who starts runs does not wait for it.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "arrivals/folder_watch.h"
#include "arrivals/queue.h"
#include "arrivals/watch.h"
#include "base/cancel.h"
#include "base/check.h"
#include "cli/serving/heads.h"
#include "cli/session.h"
#include "orchestrate/coordinator.h"

namespace weir::cli {

class ArrivalSource final : public orchestrate::RunSource {
 public:
  using ReadHead = std::function<Result<Heads::KeptHead>()>;

  /// Both are called from its thread: `head` for the configuration, `wake` once something is due.
  ArrivalSource(Session& session, ReadHead head, std::function<void()> wake);
  ~ArrivalSource() override;
  /// From now on it looks. Call it once.
  void begin();
  ArrivalSource(const ArrivalSource&) = delete;
  ArrivalSource& operator=(const ArrivalSource&) = delete;

  Result<std::vector<orchestrate::RunWish>> due(int64_t now_us) override;
  Status started(const orchestrate::RunWish& wish, const catalog::FlowRun& run) override;
  int64_t next_us() const override;

  /// Flows that people paused: what is due of them waits until they are resumed.
  void take_paused(std::set<std::string> flows);

  /// Files may have come: a webhook told of them.
  void look_soon();

 private:
  /// What one configuration watches.
  struct Eyes {
    Heads::KeptHead head;
    arrivals::Watch watch;
    std::unique_ptr<arrivals::FolderWatch> folders;
    std::vector<std::unique_ptr<arrivals::Queue>> queues;
  };
  void work(const std::stop_token& stop);
  Status look(const std::stop_token& stop);
  Status open(const Heads::KeptHead& head);
  Status take_queues();
  Status tell_late(const Heads::KeptHead& head, const std::vector<arrivals::LateFact>& late);

  Session& session_;
  const ReadHead head_;
  const std::function<void()> wake_;
  Cancel cancel_;
  std::unique_ptr<Eyes> eyes_;  ///< Of the thread alone, but for wake().
  mutable std::mutex mutex_;
  std::map<std::string, orchestrate::RunWish> waiting_
      WEIR_GUARDED_BY(mutex_);  ///< By flow and key.
  std::set<std::string> paused_ WEIR_GUARDED_BY(mutex_);
  arrivals::FolderWatch* awake_ WEIR_GUARDED_BY(mutex_) = nullptr;
  std::jthread thread_;
};

}  // namespace weir::cli
