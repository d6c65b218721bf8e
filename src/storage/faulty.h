#pragma once

/// A store that fails on purpose, over one that does not: for tests of every path that a failed
/// call takes. It knows nothing of the store below, and changes nothing where no fault is due.

#include <memory>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "storage/storage.h"

namespace weir::storage {

/// What a mutating call (create, append, commit, remove) does when its turn comes.
enum class FaultKind {
  kBeforeEffect,  ///< Fails with `code`; nothing happened.
  kAfterEffect,   ///< Acts, then answers kOutcomeUnknown.
  kCrashBefore,   ///< As if the process died before the call: it and all later calls fail.
  kCrashAfter,    ///< As if the process died after the effect: it and all later calls fail.
};
enum class Repeat { kOnce, kSticky };

struct Fault {
  int64_t at_call = 0;  ///< The how manyth mutating call, from 1; 0 for none.
  FaultKind kind = FaultKind::kBeforeEffect;
  ErrorCode code = ErrorCode::kUnavailable;
  Repeat repeat = Repeat::kOnce;  ///< kSticky: every mutating call from `at_call` on.
};

/// What a read gives when its turn comes.
enum class ReadFaultKind {
  kError,    ///< Fails with `code`.
  kShort,    ///< Half of the bytes, though the object goes on.
  kCorrupt,  ///< One bit is another.
};

struct ReadFault {
  int64_t at_read = 0;  ///< The how manyth read, from 1; 0 for none.
  ReadFaultKind kind = ReadFaultKind::kError;
  ErrorCode code = ErrorCode::kUnavailable;
  Repeat repeat = Repeat::kOnce;
};

/// Counts the calls over all stores that share it, and says which of them fail. A run without
/// faults tells how many there are. Safe to use from many threads at once.
class FaultPlan {
 public:
  FaultPlan() = default;
  explicit FaultPlan(Fault fault) : fault_(fault) {}
  explicit FaultPlan(ReadFault fault) : read_fault_(fault) {}

  int64_t mutating_calls() const;
  int64_t reads() const;
  bool has_crashed() const;

  /// For the stores: counts a call and says what becomes of it.
  std::optional<Fault> next_mutating_call();
  std::optional<ReadFault> next_read();

 private:
  Fault fault_;
  ReadFault read_fault_;
  mutable std::mutex mutex_;
  int64_t mutating_calls_ WEIR_GUARDED_BY(mutex_) = 0;
  int64_t reads_ WEIR_GUARDED_BY(mutex_) = 0;
  bool has_crashed_ WEIR_GUARDED_BY(mutex_) = false;
};

/// remove_all() is a call for each object, so that a fault finds some of them gone.
/// `inner` stays usable by itself: what a restarted process would find.
std::unique_ptr<Storage> make_faulty_storage(Storage& inner, FaultPlan& plan);

/// Every store that `inner` opens, under one plan.
std::unique_ptr<Stores> make_faulty_stores(Stores& inner, FaultPlan& plan);

}  // namespace weir::storage
