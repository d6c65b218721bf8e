#pragma once

/// The records of a JSON file, as bytes in their places: the elements of an array in a document
/// that is at hand as a whole, or the lines of a file that streams by. Each source counts its
/// records a second time by a scan of its own, which knows quotes and commas, or line ends, and
/// nothing of values.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "files/json/json_text.h"
#include "files/json_reader.h"

namespace weir::files {

struct RawRecord {
  std::string_view text;
  RecordPlace place;
};

/// A file as records in their order. Not for use from several threads at once.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  virtual Status restart() = 0;
  virtual Result<std::optional<RawRecord>> next() = 0;
  // Known at the end:
  virtual int64_t counted() const = 0;  ///< Records, by a scan of its own.
  virtual int64_t size_bytes() const = 0;
  virtual std::string sha256() = 0;
};

/// The elements of the array, or the one object, at `format.records` in a document. kInvalidData
/// for what is no JSON, or has nothing there; kResourceExhausted beyond `max_file_bytes`.
Result<std::unique_ptr<RecordSource>> open_document(storage::Storage& store,
                                                    const std::string& name,
                                                    const JsonFormat& format);
/// One record a line; blank lines are none.
std::unique_ptr<RecordSource> open_lines(storage::Storage& store, const std::string& name,
                                         int64_t block_bytes, int64_t max_record_bytes);

/// The member or element that a step of a path means; nothing where there is none.
std::optional<JsonSpan> step_into(std::string_view text, const JsonSpan& value,
                                  const JsonPath::Step& step);

}  // namespace weir::files
