#pragma once

/// Lists of `for_each` that are looked up when a run starts: tables of a database and files, by
/// pattern. Here the patterns are read, and what was found becomes values; nobody is asked.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/pattern.h"
#include "base/result.h"
#include "config/run_reference.h"
#include "model/configuration.h"

namespace weir::config {

constexpr int64_t kMostEachValues = 2000;

/// Tables of a database by pattern: `{connection: shop, like: "public.*", except: [public.tmp_*]}`.
struct TablePattern {
  std::string connection;
  std::vector<std::string> like;    ///< Globs over `schema.table`.
  std::vector<std::string> except;  ///< Globs.
  bool takes_views = false;         ///< Views of any kind and foreign tables, too.
};

/// What a task does whose pattern finds no file.
enum class IfNone { kSucceed, kSkip, kFail };

/// Files by pattern, `{pattern: landing/dump/*.csv}`, or those that started the run,
/// `{pattern: "${trigger.files}"}`; a text alone is the pattern.
struct FilePattern {
  std::string pattern;  ///< `layer/glob`; with a reference what stands in for it.
  std::optional<RunReference> of_trigger;  ///< Which files of the event are meant.
  std::optional<Pattern> key;  ///< Over the name below the layer; its groups are fields.
  int64_t max_files = kMostEachValues;
  IfNone if_none = IfNone::kSucceed;
};

/// What patterns were found to mean, as maps with `id`, by flow and task as written.
using FoundValues = std::map<std::pair<std::string, std::string>, std::vector<Json>>;

/// The pattern of a task whose list is `tables`, directly; nothing where it has another or none.
/// kInvalidConfig where it does not read.
Result<std::optional<TablePattern>> table_pattern(const model::Task& task);
/// The same of one whose list is `files`.
Result<std::optional<FilePattern>> file_pattern(const model::Task& task);

/// Whether the pattern means the table of that name (`schema.table`).
bool is_meant(const TablePattern& pattern, const std::string& table);

/// The value of a file (`layer/name`): `id`, `file`, `name` and `stem` of its last part, and the
/// groups of the key. Nothing where the key does not fit its name.
Result<std::optional<Json>> each_of_file(const FilePattern& pattern, const std::string& file);

/// What the user wrote: the glob, or `${trigger.files}`.
std::string words_of(const FilePattern& pattern);

/// Why the list of so many files cannot be; empty where it can.
std::string refusal_of(const FilePattern& pattern, size_t count);

/// kInvalidConfig for a key of a map that is not known, with did-you-mean.
Status check_for_each_keys(const Json& map, const std::vector<std::string>& known);

}  // namespace weir::config
