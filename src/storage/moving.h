#pragma once

/// Objects on their way from one name or store to another, in pieces, so that none is in memory
/// whole.

#include <functional>
#include <optional>
#include <string_view>

#include "base/cancel.h"
#include "storage/storage.h"

namespace weir::storage {

/// What a store is, too, that gives an object another name without its bytes going over a line.
class Mover {
 public:
  virtual ~Mover() = default;
  /// As move_object(). False, with nothing lost, where it takes move_by_copy() to go on.
  virtual Result<bool> move(std::string_view from, std::string_view to) = 0;
};

/// What a store is, too, that takes an object of some other store without its bytes coming here.
class Copier {
 public:
  virtual ~Copier() = default;
  /// As copy_object(); nothing, with nothing done, where it cannot take it from there: then the
  /// bytes have to be read and written.
  virtual Result<std::optional<Written>> copy_here(Storage& source, const Entry& entry,
                                                   std::string_view to, Put mode) = 0;
};

/// Brings an object of that Entry to a name in `target`, as Writer::commit() does it: by `target`
/// itself where it is a Copier, and then the digest is empty, else in pieces through here.
/// kUnavailable where the object changed meanwhile, with nothing under the name. kCancelled.
Result<Written> copy_object(Storage& source, const Entry& entry, Storage& target,
                            std::string_view to, Put mode, const Cancel& cancel);

/// Whether copy_object() may leave the bytes where they are.
bool may_copy_itself(Storage& source, Storage& target);

/// The same with the bytes through here, once: `is_wanted` is asked when all of them are on the
/// other side and not visible yet, and where it says no they never are; then nothing is given.
Result<std::optional<Written>> copy_if(
    Storage& source, const Entry& entry, Storage& target, std::string_view to, Put mode,
    const Cancel& cancel, const std::function<Result<bool>(const Written&)>& is_wanted);

/// Gives the object another name, in the end: with its bytes, and nothing under `from`. kNotFound
/// if there is none; kAlreadyExists, with both as they were, if `to` is taken by other bytes. Done
/// in steps, so that after a failure both may be there, each whole; the same call then goes on.
/// kConflict where `from` changed meanwhile: it stays.
Status move_object(Storage& storage, std::string_view from, std::string_view to);
/// The same by copying and removing, whatever the store can.
Status move_by_copy(Storage& storage, std::string_view from, std::string_view to);

}  // namespace weir::storage
