#pragma once

/// A database as people write it on a command line:
/// `postgresql://user@host:port/database?sslmode=…`, `mysql://user@host:port/database`
/// (`mariadb://` is the same), `sqlite:path`.

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace weir::database {

/// Whether the text is meant as a URL, of whatever.
bool is_url(std::string_view text);

/// The options of a connection that the URL says, its `kind` among them. kUnsupported for a scheme
/// of no database that can be read; kInvalidConfig for what is no such URL, for a parameter that a
/// connection does not take, where host, database or user is not said, and for one with a password:
/// the command line is seen by others. No message holds one.
Result<Json> options_of_url(std::string_view url);

}  // namespace weir::database
