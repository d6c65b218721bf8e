#pragma once

/// What a task that moves files has moved already, kept in a layer of the project: so that a file
/// is not read again over a slow line, nor sent again though its receiver took it away. An empty
/// folder of receipts costs time, never rows. It knows no line and no file.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "storage/storage.h"

namespace weir::task {

/// Objects `.weir/receipts/<hop>/<receipt>` of a store. Not for use from several threads at once.
class Receipts {
 public:
  /// Those of one hop: who moves, from where to where. Other places have others.
  static Result<Receipts> open(storage::Storage& store, std::string_view who, std::string_view from,
                               std::string_view to);

  /// Whether this was written before, for the same words.
  bool has(std::string_view name, std::string_view proof) const;
  /// `about` is for people. The same words again change nothing.
  Status write(std::string_view name, std::string_view proof, const Json& about);

  /// What was written about each of them.
  Result<std::vector<Json>> read_all() const;

  /// Takes it away again; one that is not there is no error.
  Status forget(std::string_view name, std::string_view proof);

  /// What proves that an object's bytes are those of then, without reading them; empty where it
  /// changed too shortly ago to be told from its next version, or where the store does not say.
  static std::string proof_of(const storage::Entry& entry, int64_t now_us);

 private:
  Receipts(storage::Storage& store, std::string folder)
      : store_(&store), folder_(std::move(folder)) {}
  std::string object_of(std::string_view name, std::string_view proof) const;

  storage::Storage* store_;
  std::string folder_;
  std::set<std::string, std::less<>> there_;
};

}  // namespace weir::task
