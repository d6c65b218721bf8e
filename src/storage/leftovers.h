#pragma once

/// What a writer leaves where its process dies, or the line to it, before it could tidy up: on a
/// store that somebody else keeps nobody else takes it away.

#include <string>

#include "storage/storage.h"

namespace weir::storage {

/// What a store is, too, whose writers leave temporary objects of names that they alone know.
class Leftovers {
 public:
  virtual ~Leftovers() = default;
  /// What this writer of the store would leave if all ended now; empty once it left nothing.
  virtual std::string left_by(const Writer& writer) const = 0;
  /// Takes it away; one that is not there is no error. kInvalidConfig for any other object's name.
  virtual Status remove_left(const std::string& name) = 0;
};

}  // namespace weir::storage
