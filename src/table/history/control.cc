#include "table/history/control.h"

#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/canonical.h"
#include "table/control_measures.h"
#include "table/relations.h"

namespace weir::table::history {
namespace {

using model::ControlSums;
using model::ExactSum;
using model::HopSums;
using model::quote_name;
using model::Schema;

class Control {
 public:
  Control(sql::Session& session, storage::Storage& store, const ControlInput& input)
      : session_(session), store_(store), input_(input), layout_(input.diff.layout) {
    for (const auto& name : input.diff.options.control)
      if (!contains(layout_.missing, name)) columns_.push_back(name);
  }

  Result<HopSums> run() {
    for (const auto& name : columns_) {
      const auto in = input_.source.control_sums.find(name);
      if (in != input_.source.control_sums.end()) sums_.columns[name].in = in->second;
    }
    WEIR_ASSIGN(const std::string now, files_now());
    if (!columns_.empty()) {
      WEIR_TRY(read_back(now));
      WEIR_TRY(read_refused());
      WEIR_TRY(settle_unchanged());
    }
    WEIR_TRY(digest_keys(now));
    WEIR_TRY(model::check_closed(sums_));
    return std::move(sums_);
  }

 private:
  Schema schema_of(std::vector<std::string> names) const {
    const HistoryColumns& own = input_.diff.options.columns;
    names.insert(names.end(), {own.is_current, own.valid_from});
    Schema schema;
    for (const auto& column : layout_.data)
      if (contains(names, column.name)) schema.push_back(column);
    schema.push_back({std::string(kMetaColumns[0]), {}, true});
    return schema;
  }

  /// Files that may hold open versions after the merge, as a relation.
  Result<std::string> files_now() {
    std::set<std::string> rewritten;
    std::vector<std::string> paths;
    for (const auto* slices : {&input_.written.current, &input_.written.history}) {
      for (const auto& slice : *slices) {
        rewritten.insert(slice.file_group_id);
        WEIR_ASSIGN(paths.emplace_back(), session_.objects().path_of(store_, slice.name));
      }
    }
    for (const auto& slice : input_.before) {
      if (slice.role == Role::kHistory || rewritten.contains(slice.file_group_id)) continue;
      WEIR_ASSIGN(paths.emplace_back(), session_.objects().path_of(store_, slice.name));
    }
    std::vector<std::string> names = columns_;
    names.insert(names.end(), layout_.key.begin(), layout_.key.end());
    return relation(paths, schema_of(names));
  }

  Status read_back(const std::string& now) {
    const HistoryColumns& own = input_.diff.options.columns;
    const std::string open = "x." + quote_name(own.is_current);
    const std::string is_new =
        fmt::format("{} AND x.{} = {}", open, kMetaColumns[0], model::quote_text(input_.instant));
    const auto opened = [&](std::string_view test) {
      return fmt::format("{} AND x.{} {} {}", is_new, quote_name(own.valid_from), test,
                         instant_literal(input_.source.as_of_us));
    };
    ControlMeasures measures(columns_);
    measures.add(open, &ControlSums::out);
    measures.add(opened("="), &ControlSums::inserted);
    measures.add(opened("<"), &ControlSums::updated_in_place);
    return measures.run(session_, now, sums_);
  }

  /// Rows of the snapshot that no version was made of: looked up only where there are some.
  Status read_refused() {
    const DiffCounts& counts = input_.counts;
    const auto source = relation(input_.diff.source_files, layout_.source);
    const auto rows = [&](const std::string& places) {
      return fmt::format("(SELECT s.* FROM {} s JOIN ({}) q ON q.file = s.{} AND q.row = s.{})",
                         source, places, kFileColumn, kRowColumn);
    };
    if (counts.null_key + counts.conflicting > 0) {
      ControlMeasures measures(columns_);
      measures.add("true", &ControlSums::rejected);
      WEIR_TRY(measures.run(
          session_,
          rows(fmt::format("SELECT source_file AS file, source_row AS row FROM change WHERE kind = "
                           "{} UNION ALL SELECT file, row FROM repeated WHERE is_conflict",
                           static_cast<int>(Kind::kNullKey))),
          sums_));
    }
    if (counts.deduplicated == 0) return {};
    ControlMeasures measures(columns_);
    measures.add("true", &ControlSums::deduplicated);
    return measures.run(
        session_, rows("SELECT file, row FROM repeated WHERE NOT is_conflict AND nth > 1"), sums_);
  }

  /// Open versions before the merge that stay although no good row has their key.
  std::string retained(const std::vector<std::string>& names) const {
    return fmt::format(
        "(SELECT c.* FROM (SELECT * FROM {0} WHERE {1}) c WHERE NOT EXISTS (FROM {2} s WHERE {3} "
        "AND NOT EXISTS (FROM repeated r WHERE r.is_conflict AND r.file = s.{4} AND r.row = "
        "s.{5})) "
        "AND NOT EXISTS (FROM change g WHERE g.kind = {6} AND g.group_no = c.{4} AND "
        "g.group_row = c.{5}))",
        relation(input_.diff.group_files, schema_of(names)),
        quote_name(input_.diff.options.columns.is_current),
        relation(input_.diff.source_files, layout_.source), same_key(layout_.key, "c", "s"),
        kFileColumn, kRowColumn, static_cast<int>(Kind::kGone));
  }

  /// What is open now was confirmed by a row of the snapshot, or stayed without one.
  Status settle_unchanged() {
    HopSums stayed;
    if (input_.counts.retained > 0) {
      std::vector<std::string> names = columns_;
      names.insert(names.end(), layout_.key.begin(), layout_.key.end());
      ControlMeasures measures(columns_);
      measures.add("true", &ControlSums::out);
      WEIR_TRY(measures.run(session_, retained(names), stayed));
    }
    for (auto& [name, parts] : sums_.columns) {
      parts.unchanged = parts.out;
      for (const auto* part : {&parts.inserted, &parts.updated_in_place, &stayed.columns[name].out})
        WEIR_TRY(parts.unchanged.subtract(*part));
    }
    return {};
  }

  Status digest_keys(const std::string& now) {
    const auto good = fmt::format(
        "(SELECT s.* FROM {} s WHERE NOT {} AND NOT EXISTS (FROM repeated r WHERE (r.is_conflict "
        "OR "
        "r.nth > 1) AND r.file = s.{} AND r.row = s.{}))",
        relation(input_.diff.source_files, layout_.source), any_of(layout_.key, "s", "IS NULL"),
        kFileColumn, kRowColumn);
    WEIR_ASSIGN(sums_.keys_in, digest_of_key_sums(session_, "FROM " + key_sums(layout_.key, good)));
    const auto open = fmt::format("(SELECT * FROM {} WHERE {})", now,
                                  quote_name(input_.diff.options.columns.is_current));
    std::string query = "FROM " + key_sums(layout_.key, open);
    if (input_.counts.retained > 0)
      query =
          fmt::format("SELECT o.n - r.n, o.a - r.a, o.b - r.b FROM {} o, {} r",
                      key_sums(layout_.key, open), key_sums(layout_.key, retained(layout_.key)));
    WEIR_ASSIGN(sums_.keys_out, digest_of_key_sums(session_, query));
    return {};
  }

  sql::Session& session_;
  storage::Storage& store_;
  const ControlInput& input_;
  const Layout& layout_;
  std::vector<std::string> columns_;
  HopSums sums_;
};

}  // namespace

Result<HopSums> control_sums(sql::Session& session, storage::Storage& store,
                             const ControlInput& input) {
  if (input.diff.options.control.empty()) return HopSums{};
  WEIR_TRY(model::check_control_columns(input.diff.layout.business, input.diff.options.control,
                                        "the history"));
  return while_doing(Control(session, store, input).run(), "summing control columns");
}

}  // namespace weir::table::history
