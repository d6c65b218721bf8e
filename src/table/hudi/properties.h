#pragma once

/// `.hoodie/hoodie.properties`: Java's properties text, the properties of a table that weir makes,
/// and which tables it can read. No I/O.

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "table/hudi.h"

namespace weir::table {

inline constexpr std::string_view kPropertiesFile = ".hoodie/hoodie.properties";
/// Marks a table whose unfinished instants are weir's to undo, even where nothing but an empty
/// `.requested` file tells of them.
inline constexpr std::string_view kOwnerProperty = "weir.owner";
inline constexpr std::string_view kOwnerName = "weir";

using TableProperties = std::map<std::string, std::string>;

/// Reads java.util.Properties' format: comments, `=` `:` or blank as separator, continued lines,
/// `\uXXXX`. The text is ISO-8859-1, the values come out as UTF-8. kCorrupt for a broken escape.
Result<TableProperties> parse_properties(std::string_view text);

/// The text that java.util.Properties reads back to the same values; plain ASCII.
std::string format_properties(const TableProperties& properties);

/// The value of a key, or `otherwise`.
std::string property_or(const TableProperties& properties, std::string_view key,
                        std::string_view otherwise);

/// CRC-32 (IEEE 802.3) of `<database>.<table name>` in decimal: a wrong one makes a table
/// unreadable.
std::string checksum_of(const TableProperties& properties);

/// Everything that a new table's file holds. kInvalidConfig for a name, key or column that Hudi
/// cannot hold.
Result<TableProperties> properties_of_new_table(const TableOptions& options);

/// kUnsupported for what weir does not read (merge-on-read, other file formats, versions other than
/// 6, 8 and 9), kCorrupt for a wrong checksum. The message names the property.
Status check_readable(const TableProperties& properties);
/// The same for what weir writes: readable, of version 6, every column in the files.
Status check_writable(const TableProperties& properties);

/// `[A-Za-z0-9_]+`, other characters as `_`; for table names and Avro's record names.
std::string sanitised_name(std::string_view name);

}  // namespace weir::table
