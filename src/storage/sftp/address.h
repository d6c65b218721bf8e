#pragma once

/// Where a store's folder is: the parts of `sftp://host[:port]/folder`.

#include <string>

#include "base/result.h"

namespace weir::storage::sftp {

struct Address {
  std::string host;
  int port = 22;
  std::string
      root;  ///< Absolute, without a '/' at its end except `/`; or `.`, `./a` (of the home).

  /// kInvalidConfig, with what to write, for what is none.
  static Result<Address> parse(const std::string& uri);
  /// `host`, or `host:port` where that is not 22.
  std::string place() const;
};

}  // namespace weir::storage::sftp
