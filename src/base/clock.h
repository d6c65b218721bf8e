#pragma once

/// Time as an input. Everything that asks for the time gets a Clock from app/, so a test owns it.

#include <cstdint>
#include <memory>

namespace weir {

/// Safe to use from many threads at once.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t now_us() = 0;        ///< UTC, microseconds since 1970.
  virtual int64_t monotonic_us() = 0;  ///< Never goes back; for durations and deadlines.
};

std::unique_ptr<Clock> make_system_clock();

}  // namespace weir
