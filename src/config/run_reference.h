#pragma once

/// What a run puts into the texts of its tasks: `${params.day}`, `${trigger.file:-landing/*.csv}`,
/// `${schedule.interval_start|%Y%m%d}`. A configuration version is shared by runs, so these words
/// stay in it as they are; here they are read and replaced, once. What they stand for is not known
/// here, and what was put in is not looked through again. `$${params.day}` is the text itself.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::config {

/// `${name|format:-otherwise}`
struct RunReference {
  std::string words;                     ///< What stands between the braces.
  std::string name;                      ///< `params.day`
  std::string format = {};               ///< Of a date or an instant; empty: as it is.
  std::optional<std::string> otherwise;  ///< Stands in for a value that is missing or empty.

  /// `params` of `params.day`
  std::string_view group() const { return std::string_view(name).substr(0, name.find('.')); }
  /// `day` of `params.day`
  std::string key() const { return name.substr(name.find('.') + 1); }
};

/// Whether the words of a `${ }` are about a run.
bool is_run_reference(std::string_view words);
/// kInvalidConfig, with did-you-mean, for a name that no run has, and for a format where none can
/// be. Which parameters a flow has is not known here.
Result<RunReference> read_run_reference(std::string_view words);

/// The text as a task's text must have it to be that very text once a run has put its values in.
std::string keep_literal(std::string text);

/// The references of all texts of a value, in order. kInvalidConfig as read_run_reference says.
Result<std::vector<RunReference>> run_references(const Json& value);
/// The same of SQL, where they may stand only within '…'; what is in comments is none.
Result<std::vector<RunReference>> run_references_of_sql(std::string_view sql);

/// Gives the value; null: there is none.
using ValueOf = std::function<Result<Json>(const RunReference& reference)>;

/// The value with each reference replaced: alone in a text by the value as it is, inside a longer
/// text by its words. kInvalidConfig for a list or a map within a text; else what `value_of` says.
Result<Json> put_in(const Json& value, const ValueOf& value_of);

/// SQL with references replaced within its quoted texts, which stay quoted texts: a value never
/// becomes SQL. Alone within the quotes a number or a boolean is put there without them, and a list
/// as its items, separated by commas.
Result<std::string> put_in_sql(std::string_view sql, const ValueOf& value_of);

}  // namespace weir::config
