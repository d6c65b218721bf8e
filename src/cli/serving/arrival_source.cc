#include "cli/serving/arrival_source.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <set>

#include "orchestrate/notices.h"

namespace weir::cli {
namespace {

constexpr int64_t kLongestPauseMs = 5000;  ///< Configurations change.
constexpr int64_t kAfterFaultMs = 5000;
constexpr int64_t kMostBatches = 100;  ///< Of a queue at a time, each of ten messages.

std::string key_of(const orchestrate::RunWish& wish) { return wish.flow_id + "\n" + wish.run_key; }

}  // namespace

ArrivalSource::ArrivalSource(Session& session, ReadHead head, std::function<void()> wake)
    : session_(session), head_(std::move(head)), wake_(std::move(wake)) {}

void ArrivalSource::begin() {
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

ArrivalSource::~ArrivalSource() {
  thread_.request_stop();
  cancel_.cancel("the server stops");
  look_soon();
  if (thread_.joinable()) thread_.join();
}

Result<std::vector<orchestrate::RunWish>> ArrivalSource::due(int64_t /*now_us*/) {
  const std::lock_guard lock(mutex_);
  std::vector<orchestrate::RunWish> due;
  for (const auto& [key, wish] : waiting_)
    if (!paused_.contains(wish.flow_id)) due.push_back(wish);
  return due;
}

Status ArrivalSource::started(const orchestrate::RunWish& wish, const catalog::FlowRun& /*run*/) {
  const std::lock_guard lock(mutex_);
  waiting_.erase(key_of(wish));
  return {};
}

int64_t ArrivalSource::next_us() const {
  const std::lock_guard lock(mutex_);
  const bool is_due = std::ranges::any_of(
      waiting_, [&](const auto& each) { return !paused_.contains(each.second.flow_id); });
  return is_due ? 0 : std::numeric_limits<int64_t>::max();
}

void ArrivalSource::take_paused(std::set<std::string> flows) {
  const std::lock_guard lock(mutex_);
  paused_ = std::move(flows);
}

void ArrivalSource::look_soon() {
  const std::lock_guard lock(mutex_);
  if (awake_ != nullptr) awake_->wake();
}

void ArrivalSource::work(const std::stop_token& stop) {
  std::string told;  ///< Once, however often it fails so.
  while (!stop.stop_requested()) {
    const Status looked = look(stop);
    const std::string fault = looked ? "" : to_line(looked.error());
    const bool is_news = fault != told;
    told = fault;
    if (looked || stop.stop_requested()) continue;
    if (is_news) session_.log().warning("files that arrived: {}", fault);
    std::mutex mutex;
    std::condition_variable_any pause;
    std::unique_lock lock(mutex);
    static_cast<void>(
        pause.wait_for(lock, stop, std::chrono::milliseconds(kAfterFaultMs), [] { return false; }));
  }
}

Status ArrivalSource::look(const std::stop_token& stop) {
  WEIR_ASSIGN(const auto head, head_());
  if (eyes_ == nullptr || eyes_->head != head) WEIR_TRY(open(head));
  Clock& clock = *session_.wiring().clock;
  int64_t next_us = std::numeric_limits<int64_t>::max();
  if (!eyes_->watch.uris().empty()) {
    WEIR_TRY(take_queues());
    WEIR_ASSIGN(const auto polled, eyes_->watch.poll(clock.now_us(), cancel_));
    next_us = polled.next_poll_at_us;
    for (const auto& fault : polled.faults)
      session_.log().warning("flow '{}' could not look for files: {}", fault.flow_id,
                             to_line(fault.error));
    WEIR_TRY(tell_late(head, polled.late));
    for (const auto& due : polled.due) {
      orchestrate::RunWish wish;
      wish.flow_id = due.flow_id;
      wish.run_key = due.run_key;
      wish.trigger = "file";
      wish.params = due.params;
      const std::lock_guard lock(mutex_);
      waiting_[key_of(wish)] = std::move(wish);
    }
    if (!polled.due.empty()) wake_();
  }
  if (stop.stop_requested()) return {};
  const int64_t longest_ms = eyes_->queues.empty() ? kLongestPauseMs : 0;
  const int64_t pause_ms =
      std::clamp<int64_t>((next_us - clock.now_us()) / 1000 + 1, 0, longest_ms);
  WEIR_ASSIGN(const auto changes, eyes_->folders->wait(pause_ms));
  arrivals::pass_on(changes, eyes_->watch);
  return {};
}

Status ArrivalSource::open(const Heads::KeptHead& head) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session_.catalog());
  auto triggers = arrivals::triggers_of(head->configuration, session_.folder());
  for (const auto& fault : triggers.faults)
    session_.log().warning("flow '{}' is started by no file: {}", fault.flow_id,
                           to_line(fault.error));
  std::set<std::string> ids;
  for (const auto& trigger : triggers.usable)
    if (!trigger.settings.events.empty()) ids.insert(trigger.settings.events);
  std::vector<std::unique_ptr<arrivals::Queue>> queues;
  for (const auto& id : ids) {
    const auto* connection = head->configuration.find_connection(id);
    if (connection == nullptr) continue;  // lint says so
    WEIR_ASSIGN(auto queue, while_doing(session_.open_queue(*connection),
                                        fmt::format("opening connection '{}'", id)));
    queues.push_back(std::move(queue));
  }
  arrivals::Watch watch(std::move(triggers.usable), {catalog, &session_.stores()});
  WEIR_ASSIGN(auto folders, arrivals::watch_folders(arrivals::folders_of(watch)));
  auto eyes =
      std::make_unique<Eyes>(Eyes{head, std::move(watch), std::move(folders), std::move(queues)});
  const std::lock_guard lock(mutex_);
  awake_ = eyes->folders.get();
  eyes_ = std::move(eyes);
  return {};
}

Status ArrivalSource::take_queues() {
  WEIR_ASSIGN(catalog::Catalog * catalog, session_.catalog());
  // The first queue is waited at; who has several looks at the others without waiting.
  int64_t wait_ms = 1000;
  for (auto& queue : eyes_->queues) {
    for (int64_t batch = 0; batch < kMostBatches; ++batch) {
      WEIR_ASSIGN(const auto taken,
                  arrivals::take_in(*queue, *catalog, *session_.wiring().clock, wait_ms, cancel_));
      wait_ms = 0;
      if (taken.unreadable > 0)
        session_.log().warning("{} messages are no events of files; they are kept in event_inbox",
                               taken.unreadable);
      if (taken.messages == 0) break;
    }
  }
  return {};
}

Status ArrivalSource::tell_late(const Heads::KeptHead& head,
                                const std::vector<arrivals::LateFact>& late) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session_.catalog());
  const auto services = session_.services();
  for (const auto& fact : late) {
    session_.log().warning("flow '{}' waits for files: {}", fact.flow_id, fact.text);
    WEIR_TRY(catalog->add_notices(orchestrate::notices_of_missing(
        services, head->configuration, {fact.flow_id, fact.fact_key, fact.text, fact.since_us})));
  }
  return {};
}

}  // namespace weir::cli
