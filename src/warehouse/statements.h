#pragma once

/// The SQL texts of a load: reading its files is DuckDB's, the others hold for the warehouse that
/// their comment names, or for all. Pure; every name that comes from outside is quoted here.

#include <set>
#include <string>
#include <vector>

#include "model/schema.h"
#include "warehouse/warehouse.h"

namespace weir::warehouse {

/// `read_parquet([…], union_by_name=true)` over the load's files.
std::string files_relation(const std::vector<std::string>& files);

/// The load's rows with the table's names and types. `in_files` are the columns that the files
/// have; the others are NULL.
std::string select_rows(const Load& load, const std::set<std::string>& in_files);

/// Two sums over the halves of canonical hashes: equal for equal rows in any order, and a row
/// that is lost, doubled or changed changes them.
std::string sums_of_hashes(const std::string& relation, const std::vector<std::string>& columns);

/// How two aliases `t` and `s` are matched and compared.
std::string same_key(const std::vector<std::string>& key);
/// Whether all columns beside key and load columns are equal; `true` where there are none.
std::string same_values(const Load& load);

/// For DuckDB.
std::string merge_rows(const Load& load, const TableName& staged);
/// The two halves of a merge where it is not one statement; for PostgreSQL. The first is empty
/// where there is nothing beside the key.
std::string update_rows(const Load& load, const TableName& staged);
std::string insert_missing_rows(const Load& load, const TableName& staged);
std::string append_rows(const Load& load, const TableName& staged);

/// The names, quoted, with commas; each after `prefix`.
std::string quoted_list(const std::vector<std::string>& names, std::string_view prefix = "");
std::vector<std::string> names_of(const model::Schema& columns);

}  // namespace weir::warehouse
