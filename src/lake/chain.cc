#include "lake/chain.h"

#include <algorithm>
#include <map>

#include "custody/chain.h"
#include "inputs/discover.h"
#include "inputs/locations.h"
#include "model/published.h"
#include "warehouse/warehouse.h"

namespace weir::lake {
namespace {

using catalog::LakeRows;
using catalog::Watermark;
using model::DatasetName;

/// Collects what the lake tells of each dataset, as record_operation would have written it.
class Healer {
 public:
  explicit Healer(const Lake& lake) : lake_(lake) {}

  Status add_dataset(const DatasetName& name) {
    WEIR_ASSIGN(const auto published, published_in(name));
    rows.targets.push_back(name);
    rows.targets.push_back(name.rejected());
    for (const auto& each : published) {
      const auto operation = model::operation_of(each);
      if (each.rejected) rows.publications.push_back(*each.rejected);
      rows.publications.push_back(each.main);
      for (auto& entry : catalog::ledger_of(operation, each.main)) {
        // The first that took a content in has it.
        const bool is_new = std::ranges::none_of(rows.ledger, [&](const auto& there) {
          return there.target == entry.target && there.identity == entry.identity;
        });
        if (is_new) rows.ledger.push_back(std::move(entry));
      }
      add_watermarks(operation);
    }
    return {};
  }

  /// The loads of a warehouse, by its receipts.
  Status add_warehouse(const model::Connection& connection) {
    WEIR_ASSIGN(const Json options,
                inputs::connection_options(*lake_.configuration, lake_.base_folder,
                                           connection.connection_id));
    WEIR_ASSIGN(const bool exists, warehouse::warehouse_exists(options));
    if (!exists) return {};
    warehouse::OpenOptions open;
    open.connection = options;
    open.session.temp_folder = lake_.temp_folder;
    open.clock = lake_.clock;
    open.cancel = lake_.cancel;
    open.resolve_secrets = lake_.resolve_secrets;
    WEIR_ASSIGN(const auto opened, warehouse::open_warehouse(open));
    WEIR_ASSIGN(const auto receipts, opened->receipts({}));
    for (const auto& receipt : receipts) {
      model::Operation operation;
      operation.kind = model::OperationKind::kLoadWarehouse;
      operation.token = receipt.token;
      operation.target.connection_id = connection.connection_id;
      operation.target.table = receipt.table_name;
      WEIR_ASSIGN(operation.inputs, model::inputs_from_lineage(receipt.inputs));
      const DatasetName target{"connection:" + connection.connection_id, receipt.table_name};
      if (std::ranges::find(rows.targets, target) == rows.targets.end())
        rows.targets.push_back(target);
      add_watermarks(operation);
    }
    return {};
  }

  LakeRows take() {
    for (auto& [key, watermark] : watermarks_) rows.watermarks.push_back(std::move(watermark));
    return std::move(rows);
  }

  LakeRows rows;

 private:
  /// In the order in which they were written: commits by instant, objects by their run.
  Result<std::vector<model::Published>> published_in(const DatasetName& name) const {
    WEIR_ASSIGN(const std::string uri,
                inputs::dataset_uri(*lake_.configuration, lake_.base_folder, name));
    WEIR_ASSIGN(storage::Storage * store, lake_.stores->open(uri));
    WEIR_ASSIGN(auto state, inputs::read_hudi(*store, name, *lake_.clock, *lake_.random));
    if (state.exists) {
      std::erase_if(state.commits, [](const auto& each) { return each.main.token.empty(); });
      return std::move(state.commits);
    }
    std::vector<model::Published> objects;
    WEIR_ASSIGN(const auto entries, storage::list_all(*store, ""));
    for (const auto& entry : entries) {
      if (!entry.name.ends_with(".parquet") || entry.name.starts_with("_weir/")) continue;
      WEIR_TRY(lake_.cancel->check());
      WEIR_ASSIGN(auto published, inputs::read_object(*store, entry, name));
      if (published) objects.push_back(*std::move(published));
    }
    std::ranges::sort(objects, {}, [](const model::Published& each) {
      return std::tuple(each.main.run_id, each.main.as_of_us.value_or(0), each.main.object_name);
    });
    return objects;
  }

  void add_watermarks(const model::Operation& operation) {
    for (auto& watermark : catalog::watermarks_of(operation)) {
      const auto [there, is_new] =
          watermarks_.try_emplace({watermark.target, watermark.source}, watermark);
      if (!is_new && catalog::is_further(there->second, watermark))
        there->second = std::move(watermark);
    }
  }

  const Lake& lake_;
  std::map<std::pair<DatasetName, DatasetName>, Watermark> watermarks_;
};

/// Whether flows read the connection and load nothing into it: then it holds no receipts, and need
/// not even be reached.
bool is_source(const model::Configuration& configuration, const std::string& connection_id) {
  const auto selection = custody::everything(configuration);
  const bool is_loaded = std::ranges::any_of(
      selection.tables, [&](const auto& table) { return table.first == connection_id; });
  const auto reads = [&](const model::Task& task) {
    const Json& params = task.params;
    return params.is_object() && params.value("connection", Json()) == connection_id &&
           params.contains("to");
  };
  return !is_loaded && std::ranges::any_of(configuration.flows, [&](const model::Flow& flow) {
    return std::ranges::any_of(flow.tasks, reads);
  });
}

}  // namespace

Result<std::vector<reconcile::Hop>> collect_chain(const Lake& lake, catalog::Catalog& catalog,
                                                  const std::vector<std::string>& names) {
  custody::Selection selection = custody::everything(*lake.configuration);
  if (!names.empty()) {
    WEIR_ASSIGN(selection, custody::select(*lake.configuration, names));
  }
  const custody::Records records{
      [&](const DatasetName& name) { return catalog.publications(name); },
      [&](const std::string& connection, const std::string& table) {
        return catalog::newest_load(catalog, connection, table);
      }};
  WEIR_ASSIGN(const auto chain,
              custody::describe(*lake.configuration, lake.base_folder, selection, records));
  custody::Places places;
  places.stores = lake.stores;
  places.clock = lake.clock;
  places.random = lake.random;
  places.cancel = lake.cancel;
  places.session.temp_folder = lake.temp_folder;
  places.resolve_secrets = lake.resolve_secrets;
  return custody::collect(chain, places);
}

Result<Healed> heal_catalog(const Lake& lake, catalog::Catalog& catalog) {
  Healer healer(lake);
  for (const auto& name : known_datasets(*lake.configuration)) WEIR_TRY(healer.add_dataset(name));
  for (const auto& connection : lake.configuration->connections) {
    if (!warehouse::is_warehouse(connection.kind)) continue;
    if (is_source(*lake.configuration, connection.connection_id)) continue;
    WEIR_TRY(healer.add_warehouse(connection));
  }
  const LakeRows rows = healer.take();
  Healed healed;
  healed.publications = static_cast<int64_t>(rows.publications.size());
  WEIR_ASSIGN(healed.forgotten, catalog.heal(rows));
  return healed;
}

}  // namespace weir::lake
