#pragma once

/// Reads one JSON file of a store: its records become text in columns, numbers as the digits that
/// they are, objects and lists as their JSON; others become rejects with their place and bytes. A
/// member that is missing, or null, is NULL. Columns are the members of all records, so the file is
/// gone over twice: for its names, then for its values, hashed again. Casting is the engine's.

#include <memory>
#include <string>

#include "base/result.h"
#include "files/json_format.h"
#include "files/record_reader.h"
#include "model/configuration.h"
#include "storage/storage.h"

namespace weir::files {

struct JsonReadOptions {
  JsonFormat format;
  model::Schema declared;  ///< Empty: all members as varchar.
  model::ColumnPolicy columns = model::ColumnPolicy::kEvolve;
  int64_t block_bytes = 4 << 20;  ///< Read at a time.
  int64_t batch_bytes = 2 << 20;  ///< Of text in a batch.
  int64_t batch_rows = int64_t{32} * 1024;
  int64_t chunk_batches = 8;
};

/// Reads for the names. kNotFound; kInvalidData for a document that is no JSON or no UTF-8, or has
/// no records where they should be; kResourceExhausted for one beyond max_file_bytes; kSchemaDrift
/// by contract. next() gives kInvalidConfig for a timestamp without a zone where none is declared.
Result<std::unique_ptr<RecordReader>> open_json(storage::Storage& store, std::string name,
                                                JsonReadOptions options);

}  // namespace weir::files
