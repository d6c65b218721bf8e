#include "table/rows/control.h"

#include <algorithm>
#include <functional>
#include <span>

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
    WEIR_TRY(
        session_.run("CREATE OR REPLACE TEMP TABLE key_part (n HUGEINT, a HUGEINT, b HUGEINT)"));
    const auto take_written = [&](const std::string& written) -> Status {
      const auto here =
          fmt::format("(SELECT * FROM {} WHERE {} = {})", written,
                      model::quote_name(kMetaColumns[0]), model::quote_text(files_.instant));
      WEIR_TRY(measure("true", &ControlSums::out, written));
      WEIR_TRY(measure("true", &ControlSums::inserted, here));
      return take_keys(here);
    };
    WEIR_TRY(for_each_part(files_.written, take_written));
    const auto take_kept = [&](const std::string& kept) {
      return measure("true", &ControlSums::out, kept);
    };
    WEIR_TRY(for_each_part(files_.kept, take_kept));
    // What met a row is told by the rows that came; what is left of the written ones is new.
    WEIR_TRY(measure("true", &ControlSums::updated_in_place,
                     came("SELECT n FROM hit ANTI JOIN stale USING (n) WHERE NOT goes")));
    WEIR_TRY(measure("true", &ControlSums::unchanged, came("FROM stale")));
    WEIR_TRY(measure(fmt::format("x.{}", kGoesColumn), &ControlSums::filtered, not_stale()));
    for (auto& [name, parts] : sums_.columns)
      WEIR_TRY(parts.inserted.subtract(parts.updated_in_place));
    WEIR_TRY(
        take_keys(fmt::format("(SELECT * FROM {} WHERE NOT {})", came("FROM stale"), kGoesColumn)));
    WEIR_ASSIGN(sums_.keys_out,
                digest_of_key_sums(session_, "SELECT sum(n), sum(a), sum(b) FROM key_part"));
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

  Status take_keys(const std::string& relation) {
    return session_.run(fmt::format("INSERT INTO key_part SELECT k.n, k.a, k.b FROM {} k",
                                    key_sums(input_.layout.key, relation)));
  }

  Status for_each_part(const std::vector<FileSlice>& slices,
                       const std::function<Status(const std::string&)>& take) {
    for (size_t first = 0; first < slices.size(); first += kFilesPerQuery) {
      const auto rest = std::span(slices).subspan(first);
      WEIR_ASSIGN(const auto part, relation_of(rest.first(std::min(rest.size(), kFilesPerQuery))));
      WEIR_TRY(take(part));
    }
    return {};
  }

  Result<std::string> relation_of(std::span<const FileSlice> slices) {
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
