#pragma once

/// One seed from its first event to its last.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "catalog/catalog.h"
#include "journal.h"
#include "world.h"

namespace weir::simulate {

struct Seen {
  std::optional<std::string> complaint;
  int64_t simulated_us = 0;
  int64_t events = 0;
  int64_t calls = 0;
  int64_t faults = 0;
  int64_t runs = 0;
  int64_t begins = 0;
  int64_t effects = 0;
};

/// The catalog of all seeds: a file that is emptied in between.
class Theatre {
 public:
  explicit Theatre(const std::string& folder);
  ~Theatre();
  Seen play(uint64_t seed, bool is_traced);

 private:
  /// The time of whichever world is on.
  class TrueClock;
  std::unique_ptr<TrueClock> clock_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::function<void(const std::vector<Change>&)> on_commit_;
};

}  // namespace weir::simulate
