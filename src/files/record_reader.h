#pragma once

/// A landing file as records: text in columns, with the place of each record in the file's own
/// bytes, and rejects. What becomes of the text is the engine's business; how the file is written,
/// its reader's alone.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/record_batch.h>

#include "base/json.h"
#include "base/result.h"
#include "files/encoding.h"
#include "files/header.h"
#include "files/reject.h"

namespace weir::files {

/// Part of the file: whole records, in order.
struct Chunk {
  /// Columns `c0`, `c1`, … of text (NULL as declared) in the plan's order.
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::vector<RecordPlace> rows;  ///< Of the batches' rows, in order.
  std::vector<int64_t> nulls;     ///< For each column.
  std::vector<Reject> rejects;
};

/// Known once next() has said that nothing follows.
struct ReadSummary {
  int64_t size_bytes = 0;
  std::string sha256;
  int64_t records = 0;  ///< By the record scanner.
  int64_t loaded = 0;   ///< Rows handed out, by the splitter.
  int64_t rejected = 0;
  // Where each byte went; together they are size_bytes.
  int64_t loaded_bytes = 0;
  int64_t rejected_bytes = 0;
  int64_t skipped_bytes = 0;         ///< Byte order mark, preamble, header, blank lines, comments.
  int64_t skipped_lines = 0;         ///< Preamble, blank lines and comments.
  Encoding guess = Encoding::kUtf8;  ///< Other than UTF-8 where rejects for encoding look like it.

  bool accounts_for_every_byte() const {
    return loaded_bytes + rejected_bytes + skipped_bytes == size_bytes;
  }
};

/// Not for use from several threads at once.
class RecordReader {
 public:
  virtual ~RecordReader() = default;
  virtual const ColumnPlan& plan() const = 0;
  virtual const std::string& timezone() const = 0;  ///< Of zone-less timestamps; or empty.
  virtual char decimal_separator() const = 0;
  /// How the file is written, for people.
  virtual Json describe() const = 0;
  /// The record as a JSON object, name to text, as far as it can be split: for rejects.
  virtual std::string values_of(std::string_view raw) const = 0;
  /// The next chunk; nothing at the end. Errors as each reader says.
  virtual Result<std::optional<Chunk>> next() = 0;
  virtual const ReadSummary& summary() const = 0;
};

}  // namespace weir::files
