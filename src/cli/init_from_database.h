#pragma once

/// `weir init --from-db`: asks a database for its tables and writes a project, or a flow for a
/// project that has the connection.

#include <map>
#include <string>
#include <vector>

#include "cli/session.h"

namespace weir::cli {

struct FromDatabase {
  std::string from;                 ///< A URL, or a connection of the project.
  std::vector<std::string> tables;  ///< Globs over `schema.table`; empty: all tables.
};

/// Texts of files by name; says what was chosen. kInvalidConfig for a URL with a password or beside
/// a project, kNotFound where a pattern fits no table or none can be read, errors of connecting.
Result<std::map<std::string, std::string>> project_of_database(Session& session,
                                                               const FromDatabase& request);

}  // namespace weir::cli
