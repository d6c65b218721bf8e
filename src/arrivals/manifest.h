#pragma once

/// What files say about files: a manifest that lists them, a control file that may count them.
/// Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::arrivals {

struct Listed {
  std::string name;  ///< As it stands there: from the manifest's folder.
  std::optional<int64_t> size_bytes;
  std::string sha256;  ///< Lower case; empty: not said.
};

struct Manifest {
  std::vector<Listed> files;
  std::optional<int64_t> count;  ///< How many files there must be.
};

/// JSON: a list of names or of `{name, size, sha256}`, or an object with such a list as `files` and
/// a number as `count`. Else text: a name a line, as `sha256sum` writes it where a hash stands
/// before it; or one number, the count. Nothing at all says nothing.
/// kInvalidData names what does not read.
Result<Manifest> read_manifest(std::string_view text);

}  // namespace weir::arrivals
