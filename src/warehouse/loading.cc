#include "warehouse/loading.h"

#include "model/names.h"
#include "warehouse/statements.h"

namespace weir::warehouse {

using model::quote_name;

Result<int64_t> number(Statements& statements, const std::string& statement) {
  WEIR_ASSIGN(const auto rows, statements.rows(statement));
  const bool is_one = rows.size() == 1 && rows[0].size() == 1 && rows[0][0];
  WEIR_ASSIGN(const Json value, parse_json(is_one ? *rows[0][0] : "null"));
  if (!value.is_number_integer())
    return fail(ErrorCode::kInternal, "no single number from: {}", statement);
  return value.get<int64_t>();
}

Result<int64_t> count(Statements& statements, const TableName& table) {
  return number(statements, "SELECT count(*) FROM " + table.quoted());
}

Receipt begin_receipt(const Load& load, const Staged& staged) {
  return {.token = load.token,
          .table_name = load.table.text(),
          .loaded_at_us = load.loaded_at_us,
          .run_id = load.run_id,
          .digest = staged.digest,
          .state = staged.state,
          .columns = names_of(load.columns),
          .inputs = load.inputs};
}

Status check_counts(const Receipt& receipt) {
  if (receipt.counts.is_closed()) return {};
  return fail_with_hint(
      ErrorCode::kCheckFailed,
      fmt::format("the counts of table '{}' do not close: {}; nothing was published",
                  receipt.table_name, dump_json(model::to_json(receipt.counts))),
      "look for rows of the table that share a key");
}

void add_names(const std::vector<std::string>& names, std::vector<std::string>& to) {
  for (const auto& name : names)
    if (std::ranges::find(to, name) == to.end()) to.push_back(name);
}

Status check_keys(Statements& statements, const Load& load, const Staged& staged) {
  const auto key = quoted_list(load.key);
  WEIR_ASSIGN(const auto doubles,
              statements.rows(fmt::format("SELECT {0} FROM {1} GROUP BY {0} HAVING count(*) > 1 "
                                          "ORDER BY {0} LIMIT 1",
                                          key, staged.table.quoted())));
  for (const auto& name : load.key) {
    WEIR_ASSIGN(const int64_t nulls,
                number(statements, fmt::format("SELECT count(*) FROM {} WHERE {} IS NULL",
                                               staged.table.quoted(), quote_name(name))));
    if (nulls > 0)
      return fail(ErrorCode::kInvalidData, "key column '{}' is NULL in {} rows for table '{}'",
                  name, nulls, load.table.text());
  }
  if (doubles.empty()) return {};
  std::vector<std::string> values;
  for (size_t i = 0; i < load.key.size(); ++i)
    values.push_back(load.key[i] + "=" + doubles[0][i].value_or("NULL"));
  return fail(ErrorCode::kInvalidData, "several rows for table '{}' have the key {}",
              load.table.text(), fmt::join(values, ", "));
}

Result<std::map<std::string, model::ExactSum>> control_of(Statements& statements, const Load& load,
                                                          const std::string& relation) {
  std::map<std::string, model::ExactSum> sums;
  if (load.control.empty()) return sums;
  WEIR_ASSIGN(const auto columns, statements.names(relation));
  for (const auto& [name, in] : load.control) {
    auto& sum = sums[name];
    if (std::ranges::find(columns, name) == columns.end()) continue;
    WEIR_ASSIGN(const auto found,
                statements.rows(fmt::format("SELECT CAST(sum({0}) AS VARCHAR), count({0}) FROM {1}",
                                            quote_name(name), relation)));
    WEIR_ASSIGN(const Json values, parse_json(found.at(0).at(1).value_or("0")));
    WEIR_ASSIGN(sum, model::exact_sum_of(found.at(0).at(0).value_or(""), values.get<int64_t>()));
  }
  return sums;
}

Result<model::HopSums> sums_of(Statements& statements, const Load& load,
                               const std::string& relation,
                               const std::map<std::string, model::ExactSum>& before) {
  model::HopSums sums;
  WEIR_ASSIGN(const auto now, control_of(statements, load, relation));
  for (const auto& [name, in] : load.control) {
    auto& parts = sums.columns[name];
    parts.in = in;
    parts.out = now.at(name);
    parts.inserted = parts.out;
    const auto there = before.find(name);
    if (there != before.end()) WEIR_TRY(parts.inserted.subtract(there->second));
  }
  return sums;
}

std::string same_rows(const Load& load, const Staged& staged) {
  return fmt::format("(SELECT t.* FROM {} AS t JOIN {} AS s ON {}) AS same_rows",
                     load.table.quoted(), staged.table.quoted(), same_key(load.key));
}

Result<model::Counts> append(Statements& statements, const Load& load, const Staged& staged) {
  WEIR_ASSIGN(const int64_t before, count(statements, load.table));
  WEIR_TRY(statements.run(append_rows(load, staged.table)));
  model::Counts counts;
  WEIR_ASSIGN(counts.out, count(statements, load.table));
  counts.inserted = counts.out - before;
  return counts;
}

Result<model::Counts> merge(Statements& statements, const Load& load, const Staged& staged,
                            const std::vector<std::string>& how) {
  const auto matched = fmt::format("SELECT count(*) FROM {} AS t JOIN {} AS s ON {}",
                                   load.table.quoted(), staged.table.quoted(), same_key(load.key));
  const auto equal = matched + " WHERE " + same_values(load);
  model::Counts counts;
  WEIR_ASSIGN(const int64_t before, count(statements, load.table));
  WEIR_ASSIGN(const int64_t matched_before, number(statements, matched));
  WEIR_ASSIGN(counts.unchanged, number(statements, equal));
  counts.updated_in_place = matched_before - counts.unchanged;
  for (const auto& statement : how) WEIR_TRY(statements.run(statement));
  WEIR_ASSIGN(counts.out, count(statements, load.table));
  counts.inserted = counts.out - before;
  WEIR_ASSIGN(const int64_t delivered, number(statements, equal));
  if (delivered != staged.rows)
    return fail(ErrorCode::kCheckFailed,
                "{} of {} rows are in table '{}' after the merge; nothing was published", delivered,
                staged.rows, load.table.text());
  return counts;
}

}  // namespace weir::warehouse
