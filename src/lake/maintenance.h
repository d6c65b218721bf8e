#pragma once

/// Keeping Hudi tables in shape, by hand: those of the project's datasets, and any other by the
/// root that it lies in. Whoever does it holds the table as a task would, so that nobody writes to
/// it meanwhile.

#include <memory>
#include <string>

#include "catalog/catalog.h"
#include "lake/tables.h"
#include "table/services.h"

namespace weir::lake {

/// A table that is ours to change until this goes.
class HeldTable {
 public:
  /// `word` is a dataset (`layer.name`) or the root of a table (a path or URI). Without a catalog
  /// only the table's own lock object fences other writers. kConflict, naming the holder, where a
  /// living process works on it; kNotFound where there is no Hudi table.
  static Result<std::unique_ptr<HeldTable>> take(const Lake& lake, catalog::Catalog* catalog,
                                                 const std::string& word,
                                                 const std::string& holder);
  ~HeldTable();
  HeldTable(const HeldTable&) = delete;
  HeldTable& operator=(const HeldTable&) = delete;

  const table::TableContext& context() const { return context_; }
  table::HudiTable& table() { return *table_; }
  /// `n-0-n` of this holder, for names of data files.
  const std::string& write_token() const { return write_token_; }

 private:
  HeldTable() = default;

  catalog::Catalog* catalog_ = nullptr;
  std::optional<catalog::Lease> lease_;
  std::unique_ptr<table::CommitGuard> guard_;
  table::TableContext context_;
  std::unique_ptr<table::HudiTable> table_;
  std::string write_token_;
};

/// The same for reading: nothing is held.
struct ReadTable {
  table::TableContext context;
  std::unique_ptr<table::HudiTable> table;
};
Result<ReadTable> open_for_reading(const Lake& lake, const std::string& word);

}  // namespace weir::lake
