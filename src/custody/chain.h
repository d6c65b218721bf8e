#pragma once

/// The chain of hops landing → raw → stage → presentation → warehouse, as facts: what objects,
/// commits and receipts say of themselves, what was recorded elsewhere, and what is there now.
/// `reconcile/` judges them. Reading only; no catalog: what one records comes in.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/resolve_secrets.h"
#include "base/result.h"
#include "model/configuration.h"
#include "model/outcome.h"
#include "reconcile/reconcile.h"
#include "sql/session.h"
#include "storage/storage.h"

namespace weir::custody {

/// A dataset of a chain, and what is recorded of it outside the lake.
struct Link {
  model::DatasetName dataset;
  std::string uri;
  std::string rejected_uri;
  std::vector<model::Publication> recorded;
  std::vector<model::Publication> recorded_rejected;
};

/// A warehouse table of a chain.
struct LoadedTable {
  std::string connection_id;
  std::string table;
  Json connection_options = Json::object();  ///< Without secrets.
  std::string token;                         ///< Of the newest load that is recorded; may be empty.

  std::string text() const { return connection_id + "." + table; }
};

struct Chain {
  std::vector<Link> datasets;
  std::vector<LoadedTable> tables;
};
Json to_json(const Chain& chain);
Result<Chain> chain_from_json(const Json& json);

/// What belongs to a chain, before anybody looks what is recorded of it.
struct Selection {
  std::vector<model::DatasetName> datasets;                 ///< Sorted, each once.
  std::vector<std::pair<std::string, std::string>> tables;  ///< connection_id, table; likewise.
};
/// What the tasks of a flow write.
Selection written_by(const model::Configuration& configuration, const model::Flow& flow);
/// Every declared dataset and what any flow writes.
Selection everything(const model::Configuration& configuration);
/// `layer.dataset` and `connection.table` names. kInvalidConfig, with did-you-mean, for others.
Result<Selection> select(const model::Configuration& configuration,
                         const std::vector<std::string>& names);

/// Where records come from: a catalog, asked by whoever has one.
struct Records {
  std::function<Result<std::vector<model::Publication>>(const model::DatasetName&)> publications;
  /// Token of the newest load of a table; empty where none is recorded.
  std::function<Result<std::string>(const std::string& connection_id, const std::string& table)>
      newest_load;
};
Result<Chain> describe(const model::Configuration& configuration, const std::string& base_folder,
                       const Selection& selection, const Records& records);

/// The same chain where the project is now: its records stay as they were pinned.
Status put_in_place(const model::Configuration& configuration, const std::string& base_folder,
                    Chain& chain);

struct Places {
  storage::Stores* stores = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  const Cancel* cancel = nullptr;
  sql::SessionOptions session;  ///< For warehouses.
  ResolveSecrets resolve_secrets = {};
};

/// Every hop into the chain's datasets and tables, in their order: objects read whole and hashed,
/// footers and tables counted. What is broken is a fact in a hop; an error is a store or a
/// warehouse that does not answer. A table that was never loaded makes no hop.
Result<std::vector<reconcile::Hop>> collect(const Chain& chain, const Places& places);

}  // namespace weir::custody
