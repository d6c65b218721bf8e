#include "table/rows/control.h"

#include <algorithm>

#include <fmt/format.h>

#include "table/control_measures.h"
#include "table/relations.h"

namespace weir::table::rows {
namespace {

using model::ControlSums;
using model::Schema;

class Control {
 public:
  Control(sql::Session& session, storage::Storage& store, const MatchInput& input,
          const WrittenFiles& files)
      : session_(session), store_(store), input_(input), files_(files) {}

  Result<model::HopSums> run() {
    WEIR_ASSIGN(const std::string written, relation_of(files_.written));
    WEIR_ASSIGN(const std::string kept, relation_of(files_.kept));
    const std::string here =
        fmt::format("(SELECT * FROM {} WHERE {} = {})", written, model::quote_name(kMetaColumns[0]),
                    model::quote_text(files_.instant));
    WEIR_TRY(measure("true", &ControlSums::out, written));
    WEIR_TRY(measure("true", &ControlSums::out, kept));
    WEIR_TRY(measure("true", &ControlSums::inserted, here));
    // What met a row is told by the rows that came; what is left of the written ones is new.
    WEIR_TRY(measure("true", &ControlSums::updated_in_place,
                     came("SELECT n FROM hit ANTI JOIN stale USING (n) WHERE NOT goes")));
    WEIR_TRY(measure("true", &ControlSums::unchanged, came("FROM stale")));
    WEIR_TRY(measure(fmt::format("x.{}", kGoesColumn), &ControlSums::filtered, not_stale()));
    for (auto& [name, parts] : sums_.columns)
      WEIR_TRY(parts.inserted.subtract(parts.updated_in_place));
    const std::string stayed =
        fmt::format("(SELECT * FROM {} WHERE NOT {})", came("FROM stale"), kGoesColumn);
    WEIR_ASSIGN(sums_.keys_out,
                digest_of_key_sums(
                    session_, fmt::format("SELECT w.n + s.n, w.a + s.a, w.b + s.b FROM {} w, {} s",
                                          key_sums(input_.layout.key, here),
                                          key_sums(input_.layout.key, stayed))));
    return std::move(sums_);
  }

 private:
  Status measure(const std::string& condition, model::ExactSum ControlSums::* part,
                 const std::string& relation) {
    ControlMeasures measures(input_.write.control);
    measures.add(condition, part);
    return measures.run(session_, relation, sums_);
  }

  /// Rows of `incoming` with these numbers.
  static std::string came(const std::string& numbers) {
    return fmt::format("(FROM incoming WHERE {} IN ({}))", kNumberColumn, numbers);
  }
  static std::string not_stale() {
    return fmt::format("(FROM incoming WHERE {} NOT IN (FROM stale))", kNumberColumn);
  }

  Result<std::string> relation_of(const std::vector<FileSlice>& slices) {
    Schema columns;
    for (const auto& column : input_.schema) {
      const auto is_in = [&](const std::vector<std::string>& names) {
        return std::ranges::find(names, column.name) != names.end();
      };
      if (is_in(input_.write.control) || is_in(input_.layout.key)) columns.push_back(column);
    }
    columns.push_back({std::string(kMetaColumns[0]), {}, true});
    std::vector<std::string> paths;
    for (const auto& slice : slices) {
      WEIR_ASSIGN(paths.emplace_back(), session_.objects().path_of(store_, slice.name));
    }
    return relation(paths, columns);
  }

  sql::Session& session_;
  storage::Storage& store_;
  const MatchInput& input_;
  const WrittenFiles& files_;
  model::HopSums sums_;
};

}  // namespace

Result<model::HopSums> sums_written(sql::Session& session, storage::Storage& store,
                                    const MatchInput& input, const WrittenFiles& files) {
  if (input.write.control.empty()) return model::HopSums{};
  return while_doing(Control(session, store, input, files).run(), "summing control columns");
}

}  // namespace weir::table::rows
