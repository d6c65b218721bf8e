#pragma once

/// What `/metrics` says, in the text format of Prometheus (version 0.0.4): requests counted here,
/// the rest as the catalog, the scheduler and the system have it when they are asked.

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "catalog/overview.h"
#include "server/actions.h"

namespace weir::server {

/// Text in the making: families with their samples.
class Exposition {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string>>;

  /// What follows belongs to it. `type` is `counter`, `gauge` or `histogram`.
  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(const Labels& labels, double value, std::string_view suffix = "");
  const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

/// Safe to use from many threads at once.
class Metrics {
 public:
  Metrics(std::string version, std::string engine_version, int64_t started_at_us)
      : version_(std::move(version)),
        engine_version_(std::move(engine_version)),
        started_at_us_(started_at_us) {}

  void note_request(const std::string& route, int status, int64_t took_us);
  /// A connection was closed because there were too many.
  void note_turned_away() { ++turned_away_; }
  void set_connections(int64_t count) { connections_ = count; }
  void set_streams(int64_t count) { streams_ = count; }

  /// Of the one that is shown; 0: there is none.
  void set_certificate_expiry(int64_t at_us) { certificate_expires_us_ = at_us; }
  /// New files were read: they are in use, or cannot be.
  void note_certificate(bool is_in_use) {
    ++(is_in_use ? certificates_taken_ : certificates_refused_);
  }

  std::string text(const catalog::Numbers& numbers, const SchedulerState& state,
                   const TaskUsage& usage) const;

 private:
  static constexpr std::array<double, 10> kBounds = {0.001, 0.005, 0.01, 0.025, 0.05,
                                                     0.1,   0.25,  0.5,  1,     5};
  struct Latency {
    std::array<int64_t, kBounds.size()> buckets{};
    int64_t count = 0;
    int64_t sum_us = 0;
  };

  void add_requests(Exposition& out) const;
  void add_certificate(Exposition& out) const;
  void add_process(Exposition& out) const;

  const std::string version_;
  const std::string engine_version_;
  const int64_t started_at_us_;
  std::atomic<int64_t> turned_away_ = 0;
  std::atomic<int64_t> connections_ = 0;
  std::atomic<int64_t> streams_ = 0;
  std::atomic<int64_t> certificate_expires_us_ = 0;
  std::atomic<int64_t> certificates_taken_ = 0;
  std::atomic<int64_t> certificates_refused_ = 0;
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, Latency> latencies_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::server
