#pragma once

/// How weir's types are kept in PostgreSQL, and what columns that are there take. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/schema.h"

namespace weir::warehouse::postgres {

/// `numeric(10,2)`, `timestamp with time zone`; jsonb for lists, structs and maps.
std::string to_postgres(const model::DataType& type);

/// What a column holds, by the text of its type (pg_catalog.format_type). `declared` is the type of
/// the rows that were loaded, where it is known: numeric and jsonb take several. Nothing for a type
/// that would change a value, or that is none of ours.
std::optional<model::DataType> from_postgres(std::string_view type,
                                             const model::DataType* declared);

/// The rows of a load as they are sent: the column in DuckDB, with lists, structs and maps as JSON.
/// In them a decimal that a double does not hold, and a hugeint, is a text.
std::string to_send(const model::DataType& type, const std::string& column);

/// The value in DuckDB of what PostgreSQL gave as text.
std::string to_read(std::string_view postgres_type, const model::DataType& type,
                    const std::string& text);

/// kInvalidConfig for a name that PostgreSQL would cut, kUnsupported for bytes in JSON.
Status check_columns(const model::Schema& columns);
/// kInvalidConfig beyond 63 bytes.
Status check_name_fits(std::string_view name, std::string_view what);

bool is_nested(const model::DataType& type);

}  // namespace weir::warehouse::postgres
