#pragma once

/// Use cases on the tables of a project: what is there, the history of one key, a query over pinned
/// versions, the digest that says "equal". Reading only.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/resolve_secrets.h"
#include "base/result.h"
#include "model/configuration.h"
#include "model/operation.h"
#include "model/outcome.h"
#include "sql/session.h"
#include "storage/storage.h"
#include "table/services.h"

namespace weir::lake {

/// What these use cases stand on.
struct Lake {
  const model::Configuration* configuration = nullptr;
  storage::Stores* stores = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  const Cancel* cancel = nullptr;
  std::string base_folder;
  std::string temp_folder;
  ResolveSecrets resolve_secrets = {};
};

/// Datasets that the configuration declares or that its tasks write, by name.
std::vector<model::DatasetName> known_datasets(const model::Configuration& configuration);

struct TableInfo {
  model::DatasetName dataset;
  std::string uri;
  std::string format;   ///< `hudi`, `parquet`, or empty where nothing is there yet
  std::string instant;  ///< hudi: of the newest commit
  std::string as_of;    ///< RFC 3339, of the newest input; empty where it has none
  int64_t commits = 0;  ///< hudi: commits; parquet: objects
  int64_t rows = 0;
  int64_t size_bytes = 0;
  model::Schema schema;
};
Result<TableInfo> table_info(const Lake& lake, const model::DatasetName& dataset);

/// The commits of a Hudi dataset or the objects of a raw one, oldest first.
Result<std::vector<model::Publication>> table_commits(const Lake& lake,
                                                      const model::DatasetName& dataset);

/// Versions of one business key, oldest first: the key columns, the business columns, then
/// valid_from, valid_to, is_current, is_deleted. `key` gives one text value a key column.
/// kNotFound where no version has that key; kInvalidConfig where the number of values is wrong.
struct AsOf {
  std::string instant;                 ///< Table version; empty: newest.
  std::optional<int64_t> valid_at_us;  ///< Only the version valid then.
};
Result<sql::TextResult> key_history(const Lake& lake, const model::DatasetName& dataset,
                                    const std::vector<std::string>& key, const AsOf& at);

/// One SELECT over the newest versions of the datasets that it names (of Hudi ones at `instant`,
/// where given), in a locked session.
Result<sql::TextResult> query(const Lake& lake, const std::string& text, const std::string& instant,
                              int64_t max_rows);

/// A result as JSON rows: numbers and booleans as such, decimals and everything else as text,
/// instants as RFC 3339 with `Z`.
Json rows_as_json(const sql::TextResult& result);

/// The digest of a Hudi dataset (see table::table_digest), now or at an instant.
Result<std::string> digest(const Lake& lake, const model::DatasetName& dataset,
                           const std::string& instant);

/// Whether rows of a Hudi dataset lie where Spark's bucket index looks for them (see
/// table::check_buckets), now or at an instant.
Result<table::Buckets> check_buckets(const Lake& lake, const model::DatasetName& dataset,
                                     const std::string& instant);

}  // namespace weir::lake
