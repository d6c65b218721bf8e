#include "orchestrate/courier.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/nearest.h"
#include "base/redact.h"
#include "orchestrate/notices.h"
#include "orchestrate/runner/dead_runs.h"

namespace weir::orchestrate {
namespace {

using catalog::KeptNotice;

constexpr int64_t kMostInPass = 1000;
constexpr int64_t kLeaseMs = 120'000;      // longer than any try
constexpr int64_t kMostOfPassMs = 10'000;  // then the other channels have their turn
constexpr int64_t kEventsKeptUs = 7 * 24 * 3600 * int64_t{1'000'000};
constexpr auto kPoll = std::chrono::milliseconds(500);

/// Doubles with each try, from ten seconds up to an hour.
int64_t delay_ms(int64_t tries) {
  constexpr int64_t kLongestMs = 3'600'000;
  int64_t wait_ms = 10'000;
  for (int64_t i = 1; i < tries && wait_ms < kLongestMs; ++i) wait_ms *= 2;
  return std::min(wait_ms, kLongestMs);
}

notify::Message message_of(const KeptNotice& notice) {
  notify::Message message;
  message.key = notice.key;
  message.at_us = notice.created_at_us;
  message.severity = model::severity_of(notice.event);
  message.subject = notice.payload.value("subject", "");
  message.body = notice.payload.value("body", "");
  message.fields = notice.payload.value("fields", Json::object());
  message.event = notice.payload.value("event", Json());
  if (const int64_t more = notice.payload.value("suppressed", int64_t{0}); more > 0) {
    message.fields["suppressed"] = more;
    message.body += fmt::format("\n{} more like this before were not sent.\n", more);
  }
  return message;
}

/// One channel, served by one thread.
class Route {
 public:
  Route(const Services& services, const model::Configuration& configuration, std::string channel,
        const Cancel& cancel)
      : services_(services),
        configuration_(configuration),
        channel_(std::move(channel)),
        cancel_(cancel) {}

  SendReport report;

  Status serve() {
    WEIR_ASSIGN(auto lease,
                services_.catalog->take_lease("notify:" + channel_, services_.holder, kLeaseMs, 0));
    if (!lease) return {};  // another process sends to it
    const Status done = send_all(*lease);
    static_cast<void>(services_.catalog->release_lease(*lease));
    return done;
  }

 private:
  Status send_all(const catalog::Lease& lease) {
    // Under the lease: whoever held it before may have sent what was due.
    WEIR_ASSIGN(const auto due, services_.catalog->due_notices(kMostInPass, channel_));
    if (due.empty()) return {};
    const int64_t until_us = services_.clock->now_us() + kMostOfPassMs * 1000;
    auto opened = open();
    for (size_t i = 0; i < due.size() && services_.clock->now_us() < until_us; ++i) {
      WEIR_TRY(services_.catalog->renew_lease(lease, kLeaseMs));
      const Status sent = opened ? (*opened)->send(message_of(due[i]), cancel_)
                                 : Status(std::unexpected(opened.error()));
      const int64_t asked_ms = opened ? (*opened)->asked_to_wait_ms() : 0;
      // A message that is refused says nothing of the next one; all else does.
      const bool is_about_message =
          opened && !sent && sent.error().code == ErrorCode::kInvalidConfig;
      WEIR_TRY(note(due[i], sent, is_about_message, asked_ms));
      if (sent || is_about_message) continue;
      for (size_t rest = i + 1; rest < due.size(); ++rest)
        if (!is_lineage(due[rest])) WEIR_TRY(note(due[rest], sent, is_about_message, asked_ms));
      return {};
    }
    return {};
  }

  Result<std::unique_ptr<notify::Channel>> open() const {
    WEIR_ASSIGN(const auto connection, find_channel(configuration_, channel_));
    return while_doing(services_.channel(connection), fmt::format("opening '{}'", channel_));
  }

  /// `asked_ms`: how long the receiver wants to be left alone.
  Status note(const KeptNotice& notice, const Status& sent, bool is_about_message,
              int64_t asked_ms) {
    if (sent) {
      ++report.sent;
      return services_.catalog->note_try(notice.outbox_id, "", 0);
    }
    ++report.failed;
    const std::string why = to_line(without_secrets(sent.error()));
    if (report.first_error.empty())
      report.first_error = fmt::format("channel '{}': {}", channel_, why);
    const int64_t tries = notice.attempts + 1;
    const int64_t wait_ms = std::max(delay_ms(tries), asked_ms);
    const int64_t next_us = services_.clock->now_us() + wait_ms * 1000;
    // Events keep their order: what follows waits as long as the first.
    if (is_lineage(notice) && !is_about_message)
      return services_.catalog->defer_events(channel_, why, next_us);
    const bool is_given_up = tries >= kMostTries;
    // Of messages the list of notices keeps what became of them; events leave no trace there.
    if (is_given_up && is_lineage(notice))
      services_.log->warning("{} was given up: channel '{}' refused it {} times: {}",
                             notice.payload.value("subject", ""), channel_, tries, why);
    return services_.catalog->note_try(notice.outbox_id, why, is_given_up ? 0 : next_us);
  }

  static bool is_lineage(const KeptNotice& notice) {
    return notice.event == catalog::kLineageEvent;
  }

  const Services& services_;
  const model::Configuration& configuration_;
  const std::string channel_;
  const Cancel& cancel_;
};

}  // namespace

Result<model::Connection> find_channel(const model::Configuration& configuration,
                                       const std::string& id) {
  if (const auto* connection = configuration.find_connection(id)) {
    if (notify::is_channel(connection->kind)) return *connection;
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("connection '{}' is of kind '{}', which is no channel", id, connection->kind),
        "channels are connections of kind smtp, webhook, sns or log");
  }
  if (id == "log") {
    model::Connection log;
    log.connection_id = log.kind = "log";
    return log;
  }
  std::vector<std::string> names = {"log"};
  for (const auto& each : configuration.connections)
    if (notify::is_channel(each.kind)) names.push_back(each.connection_id);
  const std::string guess = did_you_mean(id, names);
  return fail_with_hint(
      ErrorCode::kNotFound, fmt::format("there is no channel '{}'", id),
      guess.empty() ? fmt::format("channels: {}", fmt::join(names, ", ")) : guess);
}

bool tells(const model::Configuration& configuration) {
  return !configuration.notifications.empty() || !configuration.lineage.to.empty();
}

Result<SendReport> send_due(const Services& services, const model::Configuration& configuration,
                            const Cancel& cancel) {
  WEIR_ASSIGN(const auto names, services.catalog->due_channels());
  if (names.empty()) return SendReport{};
  WEIR_ASSIGN(const int64_t lost,
              services.catalog->forget_events(services.clock->now_us() - kEventsKeptUs));
  if (lost > 0)
    services.log->warning("{} events of lineage were given up: nobody took them for seven days",
                          lost);
  std::vector<std::unique_ptr<Route>> routes;
  for (const auto& name : names)
    routes.push_back(std::make_unique<Route>(services, configuration, name, cancel));
  std::vector<Status> ends(routes.size());
  {
    // A thread a channel: they are few, and one that hangs must hold up nobody.
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < routes.size(); ++i)
      threads.emplace_back([&, i] { ends[i] = routes[i]->serve(); });
  }
  SendReport all;
  for (size_t i = 0; i < routes.size(); ++i) {
    if (!ends[i]) return std::unexpected(ends[i].error());
    all.sent += routes[i]->report.sent;
    all.failed += routes[i]->report.failed;
    if (all.first_error.empty()) all.first_error = routes[i]->report.first_error;
  }
  return all;
}

Status look_for_silent_runs(const Services& services, const model::Configuration& configuration) {
  WEIR_ASSIGN(const auto runs, services.catalog->active_runs(""));
  for (const auto& run : runs) {
    WEIR_TRY(end_if_dead(services, configuration, run));
    WEIR_ASSIGN(const auto now, services.catalog->flow_run(run.run_id));
    WEIR_TRY(services.catalog->add_notices(notices_of_slow(services, configuration, now)));
  }
  return {};
}

Courier::Courier(const Services& services, const model::Configuration& configuration,
                 std::string run_id)
    : services_(services), configuration_(configuration), run_id_(std::move(run_id)) {
  if (!tells(configuration) || !services.channel) return;
  thread_ = std::jthread([this] { work(); });
}

Courier::~Courier() {
  if (!thread_.joinable()) return;
  {
    std::unique_lock lock(mutex_);
    is_stopping_ = true;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::milliseconds(services_.courier_ms),
                      [&] { return is_done_; });
  }
  cancel_.cancel("the run has ended, and the channel did not answer in time");
  thread_.join();
}

void Courier::work() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    lock.unlock();
    pass(true);
    lock.lock();
    changed_.wait_for(lock, kPoll, [&] { return is_stopping_; });
  }
  lock.unlock();
  pass(false);
  lock.lock();
  is_done_ = true;
  changed_.notify_all();
}

void Courier::pass(bool is_running) {
  const auto sent = [&]() -> Status {
    if (is_running) {
      WEIR_ASSIGN(const auto run, services_.catalog->flow_run(run_id_));
      WEIR_TRY(services_.catalog->add_notices(notices_of_slow(services_, configuration_, run)));
    }
    WEIR_ASSIGN(const SendReport report, send_due(services_, configuration_, cancel_));
    if (!report.first_error.empty())
      services_.log->warning("a notification was not sent, and will be tried again: {}",
                             report.first_error);
    return {};
  }();
  // The run goes on: what is in the outbox stays there.
  if (!sent) services_.log->warning("notifications: {}", to_line(sent.error()));
}

}  // namespace weir::orchestrate
