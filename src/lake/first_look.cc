#include "lake/first_look.h"

#include <algorithm>
#include <set>

#include "base/cancel.h"
#include "base/pattern.h"
#include "files/inference.h"
#include "model/names.h"
#include "sql/session.h"

namespace weir::lake {
namespace {

/// `airports-*.csv` → `airports`
std::string dataset_name(const std::string& glob) {
  std::string name;
  const auto slash = glob.rfind('/');
  for (const char c : slash == std::string::npos ? glob : glob.substr(slash + 1)) {
    if (c == '.' || c == '*') break;
    const bool is_word = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    if (is_word)
      name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  while (name.ends_with('_')) name.pop_back();
  return name.empty() ? "files" : name;
}

/// The name, with a number behind it where another source has it.
std::string new_name(const std::string& name, const std::vector<SourceLook>& others) {
  std::string tried = name;
  for (int number = 2; std::ranges::find(others, tried, &SourceLook::name) != others.end();
       ++number)
    tried = fmt::format("{}_{}", name, number);
  return tried;
}

/// The first column that has a value in every row and none twice; empty where there is none. Only a
/// proposal, so a file that the engine reads in its own way is no fault.
std::vector<std::string> guess_key(const std::string& path, const files::FileGuess& guess) {
  const Cancel cancel;
  auto session = sql::open_session({}, cancel);
  if (!session) return {};
  for (const auto& column : guess.schema) {
    const std::string name = model::quote_name(column.name);
    const auto unique = (*session)->query_number(fmt::format(
        "SELECT (count(*) = count(DISTINCT {0}) AND count(*) > 0)::BIGINT FROM read_csv({1}, "
        "all_varchar = true, "
        "header = true, delim = {2}, quote = '\"', ignore_errors = true)",
        name, model::quote_text(path), model::quote_text(std::string(1, guess.dialect.delimiter))));
    if (unique && *unique == 1) return {column.name};
  }
  return {};
}

/// Every column gets a name that a table can hold, and the format says which it was.
void rename_odd_columns(SourceLook& look) {
  std::set<std::string> taken;
  for (const auto& column : look.columns)
    if (model::is_column_name(column.name)) taken.insert(model::plain_column_name(column.name));
  Json renamed = Json::object();
  for (auto& column : look.columns) {
    if (model::is_column_name(column.name)) continue;
    const std::string plain = model::plain_column_name(column.name);
    std::string name = plain;
    for (int number = 2; !taken.insert(name).second; ++number)
      name = fmt::format("{}_{}", plain, number);
    renamed[column.name] = name;
    std::ranges::replace(look.key, column.name, name);
    column.name = name;
  }
  if (!renamed.empty()) look.format["csv"]["rename"] = std::move(renamed);
}

}  // namespace

Result<FolderLook> look_at_folder(storage::Storage& folder) {
  WEIR_ASSIGN(const auto entries, storage::list_all(folder, ""));
  std::vector<std::string> names;
  for (const auto& entry : entries) {
    if (!entry.name.ends_with(".csv") && !entry.name.ends_with(".CSV")) continue;
    WEIR_TRY(storage::check_object_name(entry.name));
    names.push_back(entry.name);
  }
  if (names.empty())
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("there are no CSV files in {}", folder.uri()),
                          "name a folder that has files `.csv`; other formats come later");
  FolderLook looks;
  for (const auto& pattern : files::guess_patterns(names)) {
    std::string newest;
    for (const auto& name : names) {
      WEIR_ASSIGN(const bool fits, glob_matches(pattern.glob, name));
      if (fits) newest = std::max(newest, name);
    }
    auto guess = files::guess_file(folder, newest);
    if (!guess) {
      looks.problems.push_back(std::move(guess).error().while_doing("looking for a first schema"));
      continue;
    }
    SourceLook look;
    look.name = new_name(dataset_name(pattern.glob), looks.sources);
    look.glob = pattern.glob;
    look.as_of = pattern.as_of;
    look.columns = guess->schema;
    look.format = {{"csv", files::to_json(guess->dialect)}};
    if (look.format["csv"].empty()) look.format["csv"] = {{"header", true}};
    if (const auto path = folder.engine_uri(newest)) look.key = guess_key(*path, *guess);
    rename_odd_columns(look);
    looks.sources.push_back(std::move(look));
  }
  if (looks.sources.empty()) return std::unexpected(looks.problems.front());
  return looks;
}

}  // namespace weir::lake
