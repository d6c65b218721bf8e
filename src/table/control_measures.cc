#include "table/control_measures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/digest.h"
#include "model/canonical.h"
#include "table/relations.h"

namespace weir::table {

using model::ControlSums;
using model::ExactSum;
using model::HopSums;

void ControlMeasures::add(const std::string& condition, ExactSum ControlSums::* part) {
  for (const auto& column : columns_) {
    select_.push_back(
        fmt::format("count(x.{0}) FILTER ({1}), CAST(sum(x.{0}) FILTER ({1}) AS VARCHAR)",
                    model::quote_name(column), condition));
    targets_.emplace_back(column, part);
  }
}

Status ControlMeasures::run(sql::Session& session, const std::string& relation,
                            HopSums& into) const {
  if (select_.empty()) return {};
  WEIR_ASSIGN(
      const sql::TextResult found,
      session.query(fmt::format("SELECT {} FROM {} x", fmt::join(select_, ", "), relation)));
  const auto& row = found.rows.at(0);
  for (size_t i = 0; i < targets_.size(); ++i) {
    WEIR_ASSIGN(const ExactSum sum, model::exact_sum_of(row.at(2 * i + 1).value_or(""),
                                                        std::stoll(row.at(2 * i).value_or("0"))));
    WEIR_TRY((into.columns[targets_[i].first].*targets_[i].second).add(sum));
  }
  return {};
}

std::string key_sums(const std::vector<std::string>& key, const std::string& relation) {
  return fmt::format(
      "(SELECT count(*) AS n, coalesce(sum(('0x' || substr(h, 1, 15))::BIGINT), 0) AS a, "
      "coalesce(sum(('0x' || substr(h, 16, 15))::BIGINT), 0) AS b FROM (SELECT {} AS h FROM {} "
      "x))",
      hash_of(key, "x"), relation);
}

Result<std::string> digest_of_key_sums(sql::Session& session, const std::string& query) {
  WEIR_ASSIGN(const sql::TextResult found, session.query(query));
  const auto& row = found.rows.at(0);
  return sha256_hex(
      fmt::format("{}\n{}\n{}", row[0].value_or(""), row[1].value_or(""), row[2].value_or("")));
}

}  // namespace weir::table
