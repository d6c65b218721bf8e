#pragma once

/// A glob that is made once and asked about many names.

#include <string_view>
#include <utility>

#include "base/pattern.h"
#include "base/result.h"

namespace weir {

/// Safe to use from many threads at once.
class Glob {
 public:
  /// kInvalidConfig for a broken one.
  static Result<Glob> compile(std::string_view glob);
  /// As glob_matches says.
  Result<bool> matches(std::string_view name) const;

 private:
  explicit Glob(Pattern pattern) : pattern_(std::move(pattern)) {}
  Pattern pattern_;
};

}  // namespace weir
