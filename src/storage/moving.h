#pragma once

/// Objects on their way from one name or store to another, in pieces, so that none is in memory
/// whole.

#include <string_view>

#include "base/cancel.h"
#include "storage/storage.h"

namespace weir::storage {

/// What a store is, too, that gives an object another name without its bytes going over a line.
class Mover {
 public:
  virtual ~Mover() = default;
  /// As move_object().
  virtual Status move(std::string_view from, std::string_view to) = 0;
};

/// Gives the object another name, in the end: with its bytes, and nothing under `from`. kNotFound
/// if there is none; kAlreadyExists, with both as they were, if `to` is taken by other bytes. Done
/// in steps, so that after a failure both may be there, each whole; the same call then goes on.
/// kConflict where `from` changed meanwhile: it stays.
Status move_object(Storage& storage, std::string_view from, std::string_view to);
/// The same by reading and writing, whatever the store can.
Status move_by_copy(Storage& storage, std::string_view from, std::string_view to);

/// Appends all bytes of an object. kUnavailable where it changed meanwhile: what was appended is
/// then of no use. kCancelled.
Status copy_into(Writer& writer, Storage& source, const Entry& entry, const Cancel& cancel);

}  // namespace weir::storage
