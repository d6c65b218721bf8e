#pragma once

/// How often somebody may fail to sign in. Three counts, each over five minutes: of a name from an
/// address, so that nobody guesses; of an address, so that nobody tries names; of a name from
/// anywhere, so that a thousand addresses do not help either. The first is the strictest: who fails
/// elsewhere locks nobody out of their own machine.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "base/result.h"

namespace weir::server {

/// Safe to use from many threads at once.
class Attempts {
 public:
  explicit Attempts(Clock& clock) : clock_(clock) {}

  /// Seconds until another attempt may be made; 0: now.
  int64_t wait_seconds(const std::string& user_name, const std::string& address);
  void note_failure(const std::string& user_name, const std::string& address);
  /// Forgets the failures of the name from the address.
  void note_success(const std::string& user_name, const std::string& address);

 private:
  struct Rule {
    std::string key;
    size_t most = 0;
  };
  static std::array<Rule, 3> rules(const std::string& user_name, const std::string& address);
  void forget_old(int64_t now_us);

  Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, std::deque<int64_t>> failures_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::server
