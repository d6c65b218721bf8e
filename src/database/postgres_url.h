#pragma once

/// `postgresql://user@host:port/database?sslmode=…`, as people write a database on a command line.

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace weir::database {

/// Whether the text is meant as such a URL.
bool is_postgres_url(std::string_view text);

/// The options of a connection of kind `postgres` (read_postgres_settings) that the URL says, by
/// libpq's own rules. kInvalidConfig for what is no such URL, for a parameter that a connection
/// does not take, where host, database or user is not said, and for one with a password: the
/// command line is seen by others. No message holds one.
Result<Json> options_of_postgres_url(std::string_view url);

}  // namespace weir::database
