#include "files/header.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/nearest.h"
#include "files/value_form.h"

namespace weir::files {
namespace {

std::string folded(std::string_view name) {
  std::string text;
  for (const char c : name) text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string quoted_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    if (!text.empty()) text += ", ";
    text += "'" + name + "'";
  }
  return text;
}

void trim(std::string& name) {
  constexpr std::string_view kBlanks = " \t\r\n";
  name.erase(0, std::min(name.find_first_not_of(kBlanks), name.size()));
  name.erase(name.find_last_not_of(kBlanks) + 1);
}

bool is_reserved(const std::string& name) {
  const std::string text = folded(name);
  return text.starts_with("_hoodie_") ||
         std::ranges::find(kLoadColumns, text) != kLoadColumns.end();
}

Error drift(std::string message, std::string hint) {
  return {ErrorCode::kSchemaDrift, std::move(message), {}, std::move(hint), std::nullopt};
}

Status check_frozen(const ColumnPlan& plan, const std::vector<std::string>& unknown,
                    const model::Schema& declared) {
  if (!unknown.empty()) {
    std::vector<std::string> names;
    for (const model::Column& column : declared) names.push_back(column.name);
    const std::string meant = did_you_mean(unknown.front(), names);
    return std::unexpected(
        drift(fmt::format("the file has columns that are not declared: {}", quoted_list(unknown)),
              meant + "declare them, or set contract.columns to evolve or discard_value"));
  }
  if (!plan.missing_columns.empty()) {
    return std::unexpected(
        drift(fmt::format("the file lacks declared columns: {}", quoted_list(plan.missing_columns)),
              "contract.columns is freeze; evolve loads NULL for them"));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> check_header(std::vector<std::string> names,
                                              const std::map<std::string, std::string>& rename) {
  std::map<std::string, std::vector<size_t>> places;
  std::vector<std::string> missing;
  for (size_t i = 0; i < names.size(); ++i) {
    trim(names[i]);
    if (const auto other = rename.find(names[i]); other != rename.end()) names[i] = other->second;
    if (names[i].empty()) missing.push_back(std::to_string(i + 1));
    places[folded(names[i])].push_back(i);
  }
  if (!missing.empty()) {
    return fail_with_hint(
        ErrorCode::kInvalidData,
        fmt::format("the header has no name for field {}", fmt::join(missing, ", ")),
        "give each column a name, or set header: false and declare the columns");
  }
  std::vector<std::string> twice;
  for (const auto& [name, where] : places) {
    if (where.size() > 1) twice.push_back(names[where.front()]);
  }
  if (!twice.empty()) {
    return fail_with_hint(
        ErrorCode::kInvalidData,
        fmt::format("the header has names that stand twice: {}", quoted_list(twice)),
        "names must differ without regard to case");
  }
  for (const std::string& name : names) {
    if (is_reserved(name)) {
      return fail_with_hint(ErrorCode::kInvalidData,
                            fmt::format("the header has '{}', which is weir's own", name),
                            "names that begin with _hoodie_ and weir's load columns are reserved: "
                            "`rename` it (format: {csv: {rename: {…}}})");
    }
  }
  return names;
}

Result<ColumnPlan> plan_columns(std::vector<std::string> fields, const model::Schema& declared,
                                model::ColumnPolicy policy) {
  ColumnPlan plan;
  plan.fields = std::move(fields);
  std::map<std::string, int> exact;
  std::map<std::string, int> by_fold;
  for (size_t i = 0; i < plan.fields.size(); ++i) {
    exact[plan.fields[i]] = static_cast<int>(i);
    by_fold[folded(plan.fields[i])] = static_cast<int>(i);
  }
  std::vector<bool> is_used(plan.fields.size(), false);
  for (const model::Column& column : declared) {
    if (!is_readable_type(column.type)) {
      return fail_with_hint(ErrorCode::kUnsupported,
                            fmt::format("column '{}' is {}: no field of a text file holds that",
                                        column.name, model::to_text(column.type)),
                            "declare it varchar and cast it in a transform");
    }
    int field = -1;
    if (const auto found = exact.find(column.name); found != exact.end()) {
      field = found->second;
    } else if (const auto alike = by_fold.find(folded(column.name)); alike != by_fold.end()) {
      field = alike->second;
    }
    if (field >= 0) {
      is_used[static_cast<size_t>(field)] = true;
    } else {
      plan.missing_columns.push_back(column.name);
    }
    plan.schema.push_back(column);
    plan.field_of_column.push_back(field);
  }
  std::vector<std::string> unknown;
  for (size_t i = 0; i < plan.fields.size(); ++i) {
    if (is_used[i]) continue;
    unknown.push_back(plan.fields[i]);
    if (policy != model::ColumnPolicy::kEvolve) continue;
    plan.schema.push_back({plan.fields[i], {model::TypeKind::kVarchar, 0, 0, {}}, true});
    plan.field_of_column.push_back(static_cast<int>(i));
  }
  if (policy == model::ColumnPolicy::kFreeze) WEIR_TRY(check_frozen(plan, unknown, declared));
  (policy == model::ColumnPolicy::kEvolve ? plan.new_columns : plan.discarded_columns) = unknown;
  if (plan.missing_columns.size() == declared.size() && !declared.empty()) {
    return std::unexpected(
        drift(fmt::format("the file has none of the declared columns; its header is: {}",
                          quoted_list(plan.fields)),
              "is the delimiter right, and does the file have a header?"));
  }
  return plan;
}

}  // namespace weir::files
