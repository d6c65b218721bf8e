#pragma once

/// Patterns that users write: regular expressions with named groups (PCRE2, with match limits) and
/// globs over object names.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir {

/// A compiled regular expression. Safe to use from many threads at once.
class Pattern {
 public:
  /// kInvalidConfig with the offset of the fault.
  static Result<Pattern> compile(std::string_view expression);

  /// The named groups of the first match anywhere in `text`; nothing where it does not match.
  /// kResourceExhausted where the match limit is reached.
  Result<std::optional<std::map<std::string, std::string>>> find(std::string_view text) const;

  const std::vector<std::string>& group_names() const { return group_names_; }

 private:
  struct Code;
  std::shared_ptr<const Code> code_;  // immutable after compile
  std::vector<std::string> group_names_;
};

/// Whether `name` as a whole fits: `*` and `?` stay within one segment, `**` crosses '/',
/// `[a-z]` and `{a,b}` as in a shell. kInvalidConfig for a broken glob.
Result<bool> glob_matches(std::string_view glob, std::string_view name);

/// The glob that fits the name alone.
std::string glob_of_name(std::string_view name);

/// The longest start of the glob without a wildcard: where a listing may begin.
std::string glob_prefix(std::string_view glob);

}  // namespace weir
