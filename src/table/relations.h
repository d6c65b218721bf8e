#pragma once

/// SQL text for both phases of a merge: Parquet files as relations, keys and hashes as expressions.
/// Pure; it runs nothing.

#include <string>
#include <string_view>
#include <vector>

#include "model/schema.h"

namespace weir::table {

/// Where a row lies: index of its file in the list, and its number in the file, from 0.
inline constexpr std::string_view kFileColumn = "_weir_file";
inline constexpr std::string_view kRowColumn = "_weir_row";

/// A query holds the footers of all its files. Whoever can ask file by file asks for so many at
/// once that memory does not grow with the table.
inline constexpr size_t kFilesPerQuery = 8;

/// The rows of Parquet files as a parenthesised subquery: `columns` in their types, NULL where no
/// file has one, then kFileColumn and kRowColumn.
std::string relation(const std::vector<std::string>& files, const model::Schema& columns);

/// `q."a", q."b"`; without a qualifier `"a", "b"`.
std::string columns_of(const std::vector<std::string>& names, std::string_view qualifier = {});

/// The canonical hash of these columns, as 32 hex digits; of no columns it is a constant.
std::string hash_of(const std::vector<std::string>& names, std::string_view qualifier);

/// The same as a UUID: 16 bytes in joins and sorts instead of 32 digits.
std::string narrow_hash_of(const std::vector<std::string>& names, std::string_view qualifier);

/// `a."k" = b."k" AND …`
std::string same_key(const std::vector<std::string>& key, std::string_view a, std::string_view b);

/// `(q."a" IS NULL OR …)`, or with `test` "IS NOT NULL" likewise; `false` of no columns.
std::string any_of(const std::vector<std::string>& names, std::string_view qualifier,
                   std::string_view test);

/// A TIMESTAMPTZ literal.
std::string instant_literal(int64_t at_us);

}  // namespace weir::table
