#pragma once

/// The tables of a database, whatever its kind: the one place where commands ask for them, and what
/// a task that reads one is told of it.

#include <memory>
#include <string>
#include <vector>

#include "cli/session.h"
#include "database/look.h"

namespace weir::cli {

/// Connects to a database that can be read. `connection`: its options resolved but for secrets, its
/// paths absolute, with its kind. kUnsupported for a kind that is no such database; errors of
/// connecting.
Result<std::unique_ptr<database::Look>> open_look(Session& session, const Json& connection);

/// Of the same. kUnsupported for a kind that is no database with tables to read; errors of
/// connecting.
Result<std::vector<database::TableLook>> tables_of_database(Session& session,
                                                            const Json& connection);

/// The column that tells what changed, where one does so soundly: an instant, never NULL, called as
/// one that is set with each change. Empty: none.
std::string change_column(const database::TableLook& table);

/// A table as the values of for_each are: id, name, schema, table, kind, key, cursor, mode.
Json each_of_table(const database::TableLook& table);

}  // namespace weir::cli
