#pragma once

/// What a file says of itself: types of its columns by all of its values, and guesses of dialect,
/// encoding and as-of pattern for `weir init --from-folder`. A guess is only ever proposed or
/// recorded, never applied behind somebody's back; what could be text stays text.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "files/dialect.h"
#include "files/record_reader.h"
#include "model/schema.h"
#include "storage/storage.h"

namespace weir::files {

/// The types of all columns, by every record of the file (faulty records have no vote):
/// `true`/`false` boolean; integers without leading zeros bigint; other plain numbers of at most 15
/// digits double; ISO dates date; timestamps with an offset (or any, with a declared zone)
/// timestamp; everything else, a column without values included, varchar. Errors as
/// CsvReader::open.
Result<model::Schema> infer_schema(storage::Storage& store, const std::string& name,
                                   const Dialect& dialect);
/// The same by all records of a reader that was opened with nothing declared.
Result<model::Schema> infer_schema(RecordReader& reader);

struct FileGuess {
  Dialect dialect;       ///< Encoding set where it is not UTF-8.
  model::Schema schema;  ///< By the whole file, with that dialect.
};

/// Delimiter (`,` `;` tab `|`) and quote by which the first MiB splits into records of one width,
/// a header unless its row looks like data. kInvalidData for an empty file.
Result<FileGuess> guess_file(storage::Storage& store, const std::string& name);

struct PatternGuess {
  std::string glob;   ///< Of the names: `airports-*.csv`
  std::string as_of;  ///< With a named group: `airports-(?<as_of>\d{8})`; empty without a date.
};

/// Names that differ only in a date (`20220512`, `2022-05-12`, with a time behind it) or a number.
/// One guess for each group of alike names, in the order of the globs.
std::vector<PatternGuess> guess_patterns(const std::vector<std::string>& names);

}  // namespace weir::files
