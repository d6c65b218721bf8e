#include "net/retry.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace weir::net {

Wait make_wait() {
  return [](int64_t wait_ms, const Cancel& cancel) -> Status {
    using std::chrono::milliseconds;
    using std::chrono::steady_clock;
    constexpr auto kLook = milliseconds(50);
    const auto end = steady_clock::now() + milliseconds(wait_ms);
    for (;;) {
      WEIR_TRY(cancel.check());
      const auto left = std::chrono::duration_cast<milliseconds>(end - steady_clock::now());
      if (left.count() <= 0) return {};
      std::this_thread::sleep_for(std::min(left, kLook));
    }
  };
}

int64_t Backoff::wait_ms(int failed_tries, Random& random) const {
  constexpr int kMostDoublings = 30;
  const int doublings = std::clamp(failed_tries - 1, 0, kMostDoublings);
  const int64_t most = std::min(most_ms, first_ms << doublings);
  uint64_t drawn = 0;
  const auto bytes = random.bytes16();
  std::memcpy(&drawn, bytes.data(), sizeof drawn);
  return static_cast<int64_t>(drawn % (static_cast<uint64_t>(most) + 1));
}

}  // namespace weir::net
