#pragma once

/// Identifiers that are made up here: UUIDs of runs (version 7, RFC 9562 section 5.7, so they sort
/// by time) and of Hudi file groups (version 4).

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"

namespace weir {

/// Safe to use from many threads at once.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::array<uint8_t, 16> bytes16() = 0;
};

/// The operating system's generator.
std::unique_ptr<Random> make_system_random();

std::string make_uuid7(Clock& clock, Random& random);
std::string make_uuid4(Random& random);

}  // namespace weir
