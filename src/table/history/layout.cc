#include "table/history/layout.h"

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "table/relations.h"

namespace weir::table::history {
namespace {

using model::Column;
using model::DataType;
using model::Schema;
using model::TypeKind;

/// The type in which a value lies in a file: UUIDs as text, huge integers as decimals.
DataType as_stored(DataType type) {
  if (type.kind == TypeKind::kUuid) type.kind = TypeKind::kVarchar;
  if (type.kind == TypeKind::kHugeint) type = {TypeKind::kDecimal, 38, 0, {}};
  return type;
}

/// The type that holds both; kSchemaDrift where there is none.
Result<DataType> common_type(const Column& old, const Column& fresh) {
  if (model::widens(fresh.type, old.type)) return old.type;
  if (model::widens(old.type, fresh.type)) return fresh.type;
  return fail_with_hint(
      ErrorCode::kSchemaDrift,
      fmt::format("column '{}' was {} and comes as {}", old.name, model::to_text(old.type),
                  model::to_text(fresh.type)),
      "a type may only widen (integer to bigint, decimals in both parts): declare the old type for "
      "the source, or rebuild the table");
}

Status check_options(const HistoryOptions& options, const Schema& business) {
  if (options.key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "history needs a business key",
                          "give the dataset `key: [column, …]`");
  std::vector<std::string> names;
  for (const Column& column : business) names.push_back(column.name);
  for (const auto& [list, what] :
       {std::pair{&options.key, "key"}, std::pair{&options.untracked, "untracked"}}) {
    for (const std::string& name : *list) {
      if (contains(names, name)) continue;
      return fail(ErrorCode::kInvalidConfig, "{} column '{}' is no column of the table", what,
                  name);
    }
  }
  for (const std::string& name : options.untracked) {
    if (contains(options.key, name))
      return fail(ErrorCode::kInvalidConfig, "key column '{}' cannot be untracked", name);
  }
  return {};
}

/// Names that weir needs beside the business columns; SQL folds their case.
Status check_free_names(const Schema& business, const HistoryColumns& columns) {
  Schema taken = history_columns(columns);
  for (const std::string_view name : {kFileColumn, kRowColumn, std::string_view("file_index"),
                                      std::string_view("file_row_number")})
    taken.push_back({std::string(name), {}, true});
  const auto lower = [](std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return out;
  };
  for (const Column& column : business) {
    const auto clashes = [&](const Column& other) {
      return lower(other.name) == lower(column.name);
    };
    if (std::ranges::any_of(taken, clashes))
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("the snapshot has a column '{}', which history uses itself", column.name),
          "rename the column at the source, or give history another name for its own");
  }
  return {};
}

}  // namespace

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Schema history_columns(const HistoryColumns& names) {
  const DataType text{TypeKind::kVarchar, 0, 0, {}};
  const DataType instant{TypeKind::kTimestamp, 0, 0, {}};
  const DataType flag{TypeKind::kBoolean, 0, 0, {}};
  const DataType number{TypeKind::kBigint, 0, 0, {}};
  return {{names.version_id, text, true},   {names.valid_from, instant, true},
          {names.valid_to, instant, true},  {names.is_current, flag, true},
          {names.is_deleted, flag, true},   {names.row_hash, text, true},
          {names.run_id, text, true},       {names.source_file, text, true},
          {names.source_row, number, true}, {names.loaded_at, instant, true}};
}

bool has_history(const Schema& table, const HistoryColumns& names) {
  return std::ranges::all_of(history_columns(names), [&](const Column& column) {
    return model::find_column(table, column.name) != nullptr;
  });
}

Schema business_columns(const Schema& table, const HistoryColumns& names) {
  const Schema own = history_columns(names);
  Schema business;
  for (const Column& column : table) {
    if (model::find_column(own, column.name) == nullptr) business.push_back(column);
  }
  return business;
}

Result<Layout> plan_layout(const Schema& table, const HistoryOptions& options,
                           const Schema& source) {
  if (!table.empty() && !has_history(table, options.columns))
    return fail_with_hint(ErrorCode::kInvalidConfig, "the table has no history columns",
                          "history is kept in a table of its own: name another target");
  Layout layout;
  layout.data = table;
  layout.business = business_columns(table, options.columns);
  const Schema before = layout.business;
  for (Column column : source) {
    column.type = as_stored(column.type);
    column.is_nullable = true;
    layout.source.push_back(column);
    const Column* old = model::find_column(before, column.name);
    if (old == nullptr) {
      layout.business.push_back(column);
      if (!table.empty()) layout.added.push_back(column.name);
      continue;
    }
    WEIR_ASSIGN(const DataType type, common_type(*old, column));
    for (Schema* schema : {&layout.business, &layout.data}) {
      std::ranges::find(*schema, column.name, &Column::name)->type = type;
    }
  }
  WEIR_TRY(check_options(options, layout.business));
  WEIR_TRY(check_free_names(layout.business, options.columns));
  // A new table has its history columns behind; a column that comes later goes to the very end,
  // where every reader of Hudi takes it as absent from older files.
  if (table.empty()) {
    layout.data = layout.business;
    const Schema own = history_columns(options.columns);
    layout.data.insert(layout.data.end(), own.begin(), own.end());
  }
  for (const std::string& name : layout.added)
    layout.data.push_back(*model::find_column(layout.business, name));
  layout.key = options.key;
  for (const Column& column : layout.business) {
    const bool is_key = contains(layout.key, column.name);
    const bool is_tracked = !is_key && !contains(options.untracked, column.name);
    const bool is_old = model::find_column(before, column.name) != nullptr;
    const bool is_given = model::find_column(layout.source, column.name) != nullptr;
    if (is_tracked) layout.tracked.push_back(column.name);
    if (is_key && !is_given)
      return fail(ErrorCode::kSchemaDrift, "key column '{}' is missing in the snapshot",
                  column.name);
    if (!is_given) layout.missing.push_back(column.name);
    if (is_key || !is_old || !is_given) continue;
    (is_tracked ? layout.compared : layout.refreshed).push_back(column.name);
  }
  return layout;
}

}  // namespace weir::table::history
