#pragma once

/// A store that somebody else keeps, and what writers may leave there (storage/leftovers.h): it is
/// written down in a layer of the project before it is there, so that the next run of the task
/// takes away what a kill left. Of a store that tidies up by itself it is nothing but the store.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/storage.h"

namespace weir::task {

class Tidied {
 public:
  /// For one hop, as Receipts has it; takes away what runs of it before this one left. Both stores
  /// outlive it. kCancelled; what cannot be taken away is a warning.
  static Result<Tidied> open(storage::Storage& store, storage::Storage& layer, std::string_view who,
                             std::string_view from, std::string_view to);

  storage::Storage& store() { return *store_; }
  /// What is left, for people.
  std::vector<std::string> warnings() const;

 private:
  explicit Tidied(storage::Storage& store) : store_(&store) {}

  storage::Storage* store_;
  std::unique_ptr<storage::Storage> own_;
};

}  // namespace weir::task
