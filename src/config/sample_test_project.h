#pragma once

/// The project that config's tests read: the airports of the design, and templates in its style.

#include <array>
#include <map>
#include <span>
#include <string>

#include "config/project.h"
#include "config/version.h"
#include "storage/storage.h"
#include "task/define.h"

namespace weir::config::sample {

inline const std::string kProject = R"(project: airports
catalog: ${WEIR_CATALOG:-sqlite:weir.db}          # or postgresql://…
layers:
  - {name: landing, uri: data/landing}
  - {name: raw, uri: data/raw}
  - {name: stage, uri: data/stage}
  - {name: presentation, uri: data/presentation}
connections:
  - {connection_id: warehouse, kind: duckdb, path: data/warehouse.duckdb}
datasets:
  - name: raw.airports
    identity: as_of + content
    columns: {icao: varchar, iata: varchar, name: varchar, city: varchar, subd: varchar, country: varchar,
              elevation: double, lat: double, lon: double, tz: varchar}
    contract: {columns: evolve, types: freeze, rows: quarantine}
  - {name: stage.airports, key: [icao]}
defaults: {retries: 2, retry_delay: 10s, timeout: 1h}
environments:
  s3: {layers: [{name: raw, uri: "s3://${BUCKET}/raw"}]}   # overrides by name
)";

inline const std::string kFlow = R"(flow: airports
schedule: {cron: "0 6 * * *", timezone: UTC}
tasks:
  - id: ingest
    template: ingest_files
    with: {from: "landing/airports-*.csv", as_of: 'airports-(?<as_of>\d{8})', to: raw.airports, format: {csv: {header: true}}}
  - id: history
    template: merge_history
    needs: [ingest]
    with: {from: raw.airports, to: stage.airports, mode: snapshot, deletes: by_absence}
  - id: by_country
    template: transform
    needs: [history]
    with: {to: presentation.airports_by_country, sql: sql/airports_by_country.sql}
  - id: load
    template: load_warehouse
    needs: [by_country]
    with: {from: presentation.airports_by_country, connection: warehouse, table: airports_by_country, mode: replace}
)";

inline std::map<std::string, std::string> files() {
  return {{"weir.yaml", kProject}, {"flows/airports.yaml", kFlow}};
}

namespace internal {

struct Ingest {
  std::string from;
  model::DatasetName to;
  std::string as_of;
  Json format = Json::object();
  std::optional<double> max_rejected_percent;
};
struct History {
  model::DatasetName from;
  model::DatasetName to;
  std::string mode = "snapshot";
  std::string deletes = "ignore";
  double max_deleted_percent = 20;
};
struct Transform {
  model::DatasetName to;
  std::string sql;
};
struct Load {
  model::DatasetName from;
  std::string connection;
  std::string table;
  std::string mode = "replace";
};

template <typename Params>
Result<std::vector<model::Operation>> plans_nothing(const Params&, const task::Inputs&) {
  return std::vector<model::Operation>{};
}

}  // namespace internal

/// Templates with the names and parameters of the builtin ones, which do nothing.
inline std::span<const task::Template> builtin() {
  using namespace internal;
  using model::OperationKind;
  static const std::array kAll = {
      task::Define<Ingest>("ingest_files", "Loads files.")
          .consumes_files("from", &Ingest::from, "Landing files, as layer/glob.")
          .produces("to", &Ingest::to, "Raw dataset.")
          .optional("as_of", &Ingest::as_of, "Pattern with the group as_of.",
                    task::typed(task::ParamType::kPattern))
          .optional("format", &Ingest::format, "How to read them.")
          .optional("max_rejected_percent", &Ingest::max_rejected_percent, "Fails over it.",
                    task::in_range(0, 100))
          .plan(OperationKind::kIngestFiles, task::Batching::kEachFile, plans_nothing<Ingest>),
      task::Define<Load>("load_warehouse", "Loads a warehouse.")
          .consumes("from", &Load::from, "Dataset to load.")
          .required("connection", &Load::connection, "Warehouse.",
                    task::connection({"duckdb", "postgres"}))
          .required("table", &Load::table, "Table.")
          .optional("mode", &Load::mode, "How.", task::choice({"replace", "append", "merge"}))
          .plan(OperationKind::kLoadWarehouse, task::Batching::kLatest, plans_nothing<Load>),
      task::Define<History>("merge_history", "Keeps history.")
          .consumes("from", &History::from, "Dataset of snapshots.")
          .produces("to", &History::to, "Hudi table.")
          .optional("mode", &History::mode, "What an input is.", task::choice({"snapshot"}))
          .optional("deletes", &History::deletes, "What a missing key means.",
                    task::choice({"ignore", "by_absence"}))
          .optional("max_deleted_percent", &History::max_deleted_percent, "Holds over it.",
                    task::in_range(0, 100))
          .plan(OperationKind::kMergeHistory, task::Batching::kEachAsOf, plans_nothing<History>),
      task::Define<Transform>("transform", "Replaces a dataset.")
          .produces("to", &Transform::to, "Hudi table.")
          .required("sql", &Transform::sql, "SQL file.", task::typed(task::ParamType::kSqlFile))
          .plan(OperationKind::kTransform, task::Batching::kLatest, plans_nothing<Transform>),
  };
  return kAll;
}

/// A folder in memory with these files and the SQL of the flow.
inline std::unique_ptr<storage::Storage> folder(const std::map<std::string, std::string>& files) {
  auto store = storage::make_memory_storage();
  std::map<std::string, std::string> all = files;
  all.emplace("sql/airports_by_country.sql", "SELECT country FROM stage.airports\n");
  for (const auto& [name, text] : all)
    if (!storage::put(*store, name, text, storage::Put::kReplace)) return nullptr;
  return store;
}

/// What a run of one of the project's flows pins.
inline Checked<Version> version_of(const model::Configuration& project, const std::string& flow_id,
                                   const VersionInputs& inputs) {
  return make_version(CommonRows(project), *project.find_flow(flow_id), inputs);
}

}  // namespace weir::config::sample
