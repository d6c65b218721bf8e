#include "server/attempts.h"

#include <algorithm>

namespace weir::server {
namespace {

constexpr int64_t kWindowUs = 300'000'000;
/// Beyond, old ones are looked for at each failure.
constexpr size_t kManyKeys = 10'000;

}  // namespace

std::array<Attempts::Rule, 3> Attempts::rules(const std::string& user_name,
                                              const std::string& address) {
  // A name may hold any character, an address holds no blank.
  return {Rule{address + " " + user_name, 5}, Rule{address, 30}, Rule{" " + user_name, 100}};
}

void Attempts::forget_old(int64_t now_us) {
  std::erase_if(failures_, [&](const auto& entry) {
    return entry.second.empty() || entry.second.back() + kWindowUs < now_us;
  });
}

int64_t Attempts::wait_seconds(const std::string& user_name, const std::string& address) {
  const std::lock_guard lock(mutex_);
  const int64_t now_us = clock_.monotonic_us();
  int64_t until_us = now_us;
  for (const Rule& rule : rules(user_name, address)) {
    const auto found = failures_.find(rule.key);
    if (found == failures_.end()) continue;
    auto& times = found->second;
    while (!times.empty() && times.front() + kWindowUs <= now_us) times.pop_front();
    if (times.size() >= rule.most)
      until_us = std::max(until_us, times[times.size() - rule.most] + kWindowUs);
  }
  return (until_us - now_us + 999'999) / 1'000'000;
}

void Attempts::note_failure(const std::string& user_name, const std::string& address) {
  const std::lock_guard lock(mutex_);
  const int64_t now_us = clock_.monotonic_us();
  if (failures_.size() > kManyKeys) forget_old(now_us);
  for (const Rule& rule : rules(user_name, address)) {
    auto& times = failures_[rule.key];
    times.push_back(now_us);
    if (times.size() > rule.most) times.pop_front();
  }
}

void Attempts::note_success(const std::string& user_name, const std::string& address) {
  const std::lock_guard lock(mutex_);
  failures_.erase(rules(user_name, address).front().key);
}

}  // namespace weir::server
