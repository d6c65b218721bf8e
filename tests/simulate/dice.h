#pragma once

/// All chance of a simulation comes from one number, so that the same number gives the same run.

#include <cstdint>

#include "base/ids.h"

namespace weir::simulate {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 0x632be59bd9b4e019ULL) {}

  uint64_t roll() {
    state_ += 0x9e3779b97f4a7c15ULL;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31);
  }
  /// Both ends included.
  int64_t between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(roll() % static_cast<uint64_t>(most - least + 1));
  }
  bool chance(double probability) {
    return static_cast<double>(roll() >> 11) * 0x1.0p-53 < probability;
  }

 private:
  uint64_t state_;
};

/// For the product's own needs: identifiers and jitter.
class DiceRandom final : public Random {
 public:
  explicit DiceRandom(uint64_t seed) : dice_(seed) {}
  std::array<uint8_t, 16> bytes16() override {
    std::array<uint8_t, 16> bytes = {};
    for (auto& byte : bytes) byte = static_cast<uint8_t>(dice_.roll());
    return bytes;
  }

 private:
  Dice dice_;
};

}  // namespace weir::simulate
