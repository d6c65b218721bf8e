#pragma once

/// `weir init --from-db`: a first project, made of what was found in a database. Pure: facts in,
/// files out; asking the database is for who calls.

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "database/look.h"
#include "model/configuration.h"

namespace weir::config {

/// A table that is to be read.
struct ChosenTable {
  database::TableLook look;
  std::string cursor;  ///< Tells what changed, soundly; empty: it is read whole each time.
};

struct DatabaseProject {
  std::string name;
  bool has_project = false;      ///< There is a weir.yaml with the connection: only a flow is made.
  model::Connection connection;  ///< As it is to stand in weir.yaml; no password in clear.
  std::vector<ChosenTable> tables;            ///< At least one.
  std::vector<database::TableLook> left_out;  ///< Views, and what the user may not read.
};

/// Texts by file name: the flow `flows/<connection>.yaml`, and for a new project weir.yaml and
/// .gitignore. They load without faults whatever the tables are called; comments tell why each
/// choice was made and what to look at. kInvalidConfig for more tables than a list takes.
Result<std::map<std::string, std::string>> write_database_project(const DatabaseProject& project);

/// Names of datasets for tables, in their order: the table's own in lower case with `_` for what is
/// no letter, digit or `_`, with the schema in front where two tables would share it.
std::vector<std::string> dataset_names(const std::vector<std::string>& tables);

}  // namespace weir::config
