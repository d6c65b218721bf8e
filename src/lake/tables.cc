#include "lake/tables.h"

#include <algorithm>

#include "base/instant.h"
#include "custody/chain.h"
#include "inputs/discover.h"
#include "inputs/locations.h"
#include "sql/user_query.h"
#include "table/history.h"
#include "table/hudi.h"

namespace weir::lake {
namespace {

using model::DatasetName;
using model::PinnedInput;

Result<storage::Storage*> open_store(const Lake& lake, const DatasetName& dataset) {
  WEIR_ASSIGN(const std::string uri,
              inputs::dataset_uri(*lake.configuration, lake.base_folder, dataset));
  return lake.stores->open(uri);
}

/// The key as it is declared, else as the task says that writes the dataset.
std::vector<std::string> key_of(const model::Configuration& configuration,
                                const DatasetName& dataset) {
  const model::Dataset* declared = configuration.find_dataset(dataset);
  if (declared != nullptr && !declared->key.empty()) return declared->key;
  for (const auto& flow : configuration.flows)
    for (const auto& task : flow.tasks) {
      if (!task.params.is_object() || task.params.value("to", Json()) != dataset.text()) continue;
      const Json key = task.params.value("key", Json());
      if (key.is_string()) return {key.get<std::string>()};
      const auto names = json_field_or<std::vector<std::string>>(task.params, "key", {});
      if (names && !names->empty()) return *names;
    }
  return {};
}

Result<std::unique_ptr<table::HudiTable>> open_hudi(const Lake& lake, const DatasetName& dataset) {
  WEIR_ASSIGN(storage::Storage * store, open_store(lake, dataset));
  table::TableContext context;
  context.store = store;
  context.clock = lake.clock;
  context.random = lake.random;
  auto opened = table::open_table(context);
  if (!opened && opened.error().code == ErrorCode::kNotFound)
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("dataset {} is no Hudi table: there is none at {}",
                                      dataset.text(), store->uri()),
                          "`weir table list` shows what is there");
  return opened;
}

/// A view over a pinned version, its files named in `objects`.
Result<sql::ViewSource> view_of(const Lake& lake, const PinnedInput& input,
                                sql::ObjectFiles& objects) {
  sql::ViewSource view;
  view.dataset = input.dataset;
  view.schema = input.schema;
  for (const auto& object : input.objects) {
    WEIR_ASSIGN(storage::Storage * store, lake.stores->open(object.uri));
    WEIR_ASSIGN(view.files.emplace_back(), objects.path_of(*store, object.name));
  }
  return view;
}

/// Raw objects have load columns behind the business columns.
void add_load_columns(PinnedInput& input) {
  if (input.format != "parquet") return;
  for (const auto& [name, kind] : {std::pair("_source_file", model::TypeKind::kVarchar),
                                   std::pair("_source_row", model::TypeKind::kBigint),
                                   std::pair("_run_id", model::TypeKind::kVarchar),
                                   std::pair("_loaded_at", model::TypeKind::kTimestamp)}) {
    if (model::find_column(input.schema, name) != nullptr) continue;
    model::Column column;
    column.name = name;
    column.type.kind = kind;
    input.schema.push_back(std::move(column));
  }
}

/// Rejected rows are a dataset of their own shape.
Result<model::Schema> rejected_schema(storage::Storage& store, const PinnedInput& input) {
  if (input.objects.empty()) return model::Schema{};
  WEIR_ASSIGN(const auto info, parquet::read_info(store, input.objects.front().name));
  return parquet::from_arrow(*info.schema);
}

Result<PinnedInput> pin(const Lake& lake, const DatasetName& dataset, const std::string& instant) {
  WEIR_ASSIGN(storage::Storage * store, open_store(lake, dataset));
  WEIR_ASSIGN(PinnedInput input,
              inputs::pin_latest(*store, dataset, *lake.clock, *lake.random, instant));
  if (dataset.name.ends_with("__rejected")) {
    WEIR_ASSIGN(input.schema, rejected_schema(*store, input));
  } else {
    add_load_columns(input);
  }
  return input;
}

sql::SessionOptions session_options(const Lake& lake) {
  sql::SessionOptions options;
  options.temp_folder = lake.temp_folder;
  options.objects = std::make_shared<sql::ObjectFiles>();
  return options;
}

}  // namespace

std::vector<DatasetName> known_datasets(const model::Configuration& configuration) {
  return custody::everything(configuration).datasets;
}

Result<TableInfo> table_info(const Lake& lake, const DatasetName& dataset) {
  TableInfo info;
  info.dataset = dataset;
  WEIR_ASSIGN(storage::Storage * store, open_store(lake, dataset));
  info.uri = store->uri();
  WEIR_ASSIGN(const auto commits, table_commits(lake, dataset));
  info.commits = static_cast<int64_t>(commits.size());
  if (commits.empty()) return info;
  if (commits.back().as_of_us) info.as_of = format_instant(*commits.back().as_of_us);
  WEIR_ASSIGN(const PinnedInput input, pin(lake, dataset, ""));
  info.format = input.format;
  info.instant = input.instant;
  info.schema = input.schema;
  for (const auto& object : input.objects) {
    info.size_bytes += object.size_bytes;
    info.rows += std::max<int64_t>(object.rows, 0);
  }
  return info;
}

Result<std::vector<model::Publication>> table_commits(const Lake& lake,
                                                      const DatasetName& dataset) {
  WEIR_ASSIGN(storage::Storage * store, open_store(lake, dataset));
  WEIR_ASSIGN(auto state, inputs::read_hudi(*store, dataset, *lake.clock, *lake.random));
  if (state.exists) return std::move(state.publications);
  return inputs::read_raw(*store, dataset, {});
}

Result<sql::TextResult> key_history(const Lake& lake, const DatasetName& dataset,
                                    const std::vector<std::string>& key, const AsOf& at) {
  const auto key_columns = key_of(*lake.configuration, dataset);
  if (key_columns.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("dataset {} has no key", dataset.text()),
                          "declare `key: [column, …]` on it");
  if (key_columns.size() != key.size())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("dataset {} has {} key columns, {} values were given",
                                      dataset.text(), key_columns.size(), key.size()),
                          fmt::format("give values for: {}", fmt::join(key_columns, ", ")));
  WEIR_ASSIGN(const PinnedInput input, pin(lake, dataset, at.instant));
  const auto options = session_options(lake);
  WEIR_ASSIGN(const sql::ViewSource view, view_of(lake, input, *options.objects));
  WEIR_ASSIGN(auto session, sql::open_user_session(options, {view}, *lake.cancel));

  std::string where;
  for (size_t i = 0; i < key.size(); ++i)
    where += fmt::format("{}CAST({} AS VARCHAR) = {}", i == 0 ? "" : " AND ",
                         model::quote_name(key_columns[i]), model::quote_text(key[i]));
  if (at.valid_at_us)
    where += fmt::format(
        " AND valid_from <= make_timestamptz({0}) AND (valid_to IS NULL OR valid_to > "
        "make_timestamptz({0}))",
        *at.valid_at_us);
  std::vector<std::string> shown = {"valid_from", "valid_to", "is_current", "is_deleted"};
  for (const auto& column : input.schema) {
    const bool is_technical = column.name.starts_with('_') || column.name == "row_hash" ||
                              std::ranges::find(shown, column.name) != shown.end();
    if (!is_technical) shown.push_back(column.name);
  }
  std::string columns;
  for (const auto& column : shown)
    columns += (columns.empty() ? "" : ", ") + model::quote_name(column);
  constexpr int64_t kMostVersions = 100'000;
  WEIR_ASSIGN(auto result,
              session->query(fmt::format("SELECT {} FROM {}.{} WHERE {} ORDER BY valid_from",
                                         columns, model::quote_name(dataset.layer),
                                         model::quote_name(dataset.name), where),
                             kMostVersions));
  if (result.rows.empty())
    return fail_with_hint(
        ErrorCode::kNotFound,
        fmt::format("dataset {} has no version of key {}", dataset.text(), fmt::join(key, ", ")),
        "keys are compared as text, exactly");
  return result;
}

Result<sql::TextResult> query(const Lake& lake, const std::string& text, const std::string& instant,
                              int64_t max_rows) {
  WEIR_ASSIGN(const sql::UserQuery parsed, sql::read_user_query(text));
  const auto options = session_options(lake);
  std::vector<sql::ViewSource> views;
  for (const auto& dataset : parsed.datasets) {
    WEIR_ASSIGN(const PinnedInput input, pin(lake, dataset, instant));
    WEIR_ASSIGN(sql::ViewSource view, view_of(lake, input, *options.objects));
    views.push_back(std::move(view));
  }
  WEIR_ASSIGN(auto session, sql::open_user_session(options, views, *lake.cancel));
  auto result = session->query(parsed.text, max_rows);
  if (!result) return std::unexpected(sql::at_user_sql(result.error(), text, 0));
  return result;
}

namespace {

Json cell_as_json(const std::optional<std::string>& cell, const model::DataType& type) {
  if (!cell) return Json();
  switch (type.kind) {
    case model::TypeKind::kBoolean: return *cell == "true";
    case model::TypeKind::kInteger:
    case model::TypeKind::kBigint:
    case model::TypeKind::kFloat:
    case model::TypeKind::kDouble: {
      auto number = parse_json(*cell);
      return number && number->is_number() ? *number : Json(*cell);
    }
    case model::TypeKind::kTimestamp: {
      const auto at_us = parse_instant(*cell);
      return at_us ? Json(format_instant(*at_us)) : Json(*cell);
    }
    default: return *cell;
  }
}

}  // namespace

Json rows_as_json(const sql::TextResult& result) {
  Json rows = Json::array();
  for (const auto& row : result.rows) {
    Json object = Json::object();
    for (size_t i = 0; i < row.size(); ++i)
      object[result.names[i]] = cell_as_json(row[i], result.types[i]);
    rows.push_back(std::move(object));
  }
  return rows;
}

Result<std::string> digest(const Lake& lake, const DatasetName& dataset,
                           const std::string& instant) {
  WEIR_ASSIGN(auto opened, open_hudi(lake, dataset));
  WEIR_ASSIGN(const auto snapshot, opened->snapshot(instant));
  return table::table_digest(*opened, snapshot, *lake.cancel);
}

Result<table::Buckets> check_buckets(const Lake& lake, const DatasetName& dataset,
                                     const std::string& instant) {
  WEIR_ASSIGN(auto opened, open_hudi(lake, dataset));
  WEIR_ASSIGN(const auto snapshot, opened->snapshot(instant));
  return table::check_buckets(*opened, snapshot, *lake.cancel);
}

}  // namespace weir::lake
