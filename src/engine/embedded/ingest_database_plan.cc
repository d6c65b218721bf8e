#include "engine/embedded/ingest_database_plan.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/nearest.h"

namespace weir::engine::embedded {
namespace {

using database::SourceColumn;
using model::Column;
using model::TypeKind;

std::string folded(std::string_view name) {
  std::string text;
  for (const char c : name) text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string listed(const std::vector<std::string>& names) {
  return fmt::format("'{}'", fmt::join(names, "', '"));
}

Status check_names(const std::vector<SourceColumn>& columns, const std::string& source) {
  std::map<std::string, std::string> seen;
  for (const auto& column : columns) {
    const std::string name = folded(column.name);
    if (const auto [there, is_new] = seen.emplace(name, column.name); !is_new)
      return fail_with_hint(
          ErrorCode::kInvalidData,
          fmt::format("{} has columns '{}' and '{}', which engines do not tell apart", source,
                      there->second, column.name),
          "read it by a `query` that names them, or leave one out with `columns`");
    const bool is_reserved =
        name.starts_with("_hoodie_") ||
        std::ranges::find(files::kLoadColumns, name) != files::kLoadColumns.end();
    if (is_reserved)
      return fail_with_hint(
          ErrorCode::kInvalidData,
          fmt::format("{} has a column '{}', which is weir's own name", source, column.name),
          fmt::format("read it by a `query`: SELECT {} AS …", model::quote_name(column.name)));
  }
  return {};
}

class Planner {
 public:
  Planner(const database::Source& source, const model::Target& target, const std::string& zone)
      : source_(source), target_(target), timezone_(zone) {}

  Result<SourcePlan> make() {
    const auto& columns = source_.columns();
    WEIR_TRY(check_names(columns, source_.name()));
    std::vector<bool> is_used(columns.size(), false);
    for (const Column& declared : target_.schema) {
      const auto place = find(declared.name);
      if (!place) {
        plan_.columns.missing_columns.push_back(declared.name);
        add(declared, -1);
        continue;
      }
      is_used[*place] = true;
      WEIR_ASSIGN(SourceColumn column, fitted(columns[*place], declared));
      add({declared.name, column.type, true}, static_cast<int>(plan_.read.size()));
      plan_.read.push_back(std::move(column));
    }
    for (size_t i = 0; i < columns.size(); ++i)
      if (!is_used[i]) take_unknown(columns[i]);
    WEIR_TRY(check_contract());
    WEIR_TRY(check_zones());
    for (const auto& column : plan_.read) plan_.columns.fields.push_back(column.name);
    return std::move(plan_);
  }

 private:
  void add(Column column, int field) {
    plan_.columns.schema.push_back(std::move(column));
    plan_.columns.field_of_column.push_back(field);
  }

  std::optional<size_t> find(const std::string& name) const {
    const auto& columns = source_.columns();
    auto found = std::ranges::find(columns, name, &SourceColumn::name);
    if (found == columns.end())
      found = std::ranges::find_if(
          columns, [&](const SourceColumn& each) { return folded(each.name) == folded(name); });
    if (found == columns.end()) return std::nullopt;
    return static_cast<size_t>(found - columns.begin());
  }

  Result<SourceColumn> fitted(const SourceColumn& column, const Column& declared) const {
    if (auto read = source_.read_as(column, declared.type)) return *std::move(read);
    const bool grows = model::widens(declared.type, column.type);
    if (grows && target_.contract.types == model::TypePolicy::kEvolve) return column;
    const std::string natural = model::to_text(column.type);
    return fail_with_hint(
        ErrorCode::kSchemaDrift,
        fmt::format("column '{}' is {} in the dataset and {} in {}, which is read as {}",
                    declared.name, model::to_text(declared.type), column.type_name, source_.name(),
                    natural),
        grows ? fmt::format("declare it {}, or set contract.types to evolve", natural)
              : fmt::format("declare it {} or varchar, or cast it in a `query`", natural));
  }

  void take_unknown(const SourceColumn& column) {
    auto& plan = plan_.columns;
    if (target_.contract.columns == model::ColumnPolicy::kEvolve || target_.schema.empty()) {
      plan.new_columns.push_back(column.name);
      add({column.name, column.type, true}, static_cast<int>(plan_.read.size()));
      if (column.is_free) plan_.free_columns.push_back(column.name);
      plan_.read.push_back(column);
    } else {
      plan.discarded_columns.push_back(column.name);
    }
  }

  Status check_contract() const {
    const auto& plan = plan_.columns;
    const auto refuse = [](std::string why, std::string hint) {
      return fail_with_hint(ErrorCode::kSchemaDrift, std::move(why), std::move(hint));
    };
    if (!target_.schema.empty() && plan.missing_columns.size() == target_.schema.size())
      return refuse(fmt::format("{} has none of the dataset's columns", source_.name()),
                    "is it the right table?");
    if (target_.schema.empty() || target_.contract.columns != model::ColumnPolicy::kFreeze)
      return {};
    if (!plan.discarded_columns.empty()) {
      std::vector<std::string> names;
      for (const auto& column : target_.schema) names.push_back(column.name);
      return refuse(fmt::format("{} has columns that are not declared: {}", source_.name(),
                                listed(plan.discarded_columns)),
                    did_you_mean(plan.discarded_columns.front(), names) +
                        "declare them, name those to read with `columns`, or set contract.columns "
                        "to evolve or discard_value");
    }
    if (!plan.missing_columns.empty())
      return refuse(fmt::format("{} lacks declared columns: {}", source_.name(),
                                listed(plan.missing_columns)),
                    "contract.columns is freeze; evolve loads NULL for them");
    return {};
  }

  Status check_zones() const {
    if (!timezone_.empty()) return {};
    for (const auto& column : plan_.read) {
      const auto& type = column.type;
      const auto kind = type.kind == TypeKind::kList ? type.children.at(0).type.kind : type.kind;
      if (!column.is_zoneless || kind != TypeKind::kTimestamp) continue;
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("column '{}' of {} is {}, and nobody said of which zone", column.name,
                      source_.name(), column.type_name),
          "say it with `timezone: UTC` or `timezone: Europe/Berlin`; or declare it varchar");
    }
    return {};
  }

  const database::Source& source_;
  const model::Target& target_;
  const std::string& timezone_;
  SourcePlan plan_;
};

}  // namespace

Result<SourcePlan> plan_source(const database::Source& source, const model::Target& target,
                               const std::string& timezone) {
  return Planner(source, target, timezone).make();
}

}  // namespace weir::engine::embedded
