#pragma once

/// What PostgreSQL sends for `COPY (…) TO STDOUT (FORMAT binary)`, decoded straight into Arrow.
/// Values are exact or the row is refused with a reason; nothing is rounded. It knows no connection
/// and no SQL: bytes come in, batches and refused rows go out, in the order of the stream.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "database/source.h"
#include "model/schema.h"

namespace weir::database {

/// How the values of a column stand in the stream.
enum class CopyWire {
  kBool,
  kInt2,
  kInt4,
  kInt8,
  kFloat4,
  kFloat8,
  kNumeric,
  kText,
  kJsonb,
  kBytes,
  kDate,
  kTime,
  kTimestamp,  ///< With or without a zone: microseconds, in UTC.
  kUuid,
};

struct CopyColumn {
  std::string name;
  CopyWire wire = CopyWire::kText;
  bool is_array = false;  ///< Of such values; `type` is a list then.
  model::DataType type;   ///< What it becomes.
};

/// Whether values of that wire can become that type, each exactly or not at all. An array is told
/// by its elements.
bool can_decode(CopyWire wire, const model::DataType& type);

struct CopyOptions {
  ReadOptions read;
  bool checks_utf8 = false;  ///< Where the server does not: its encoding is SQL_ASCII.
};

/// Not for use from several threads at once.
class CopyDecoder {
 public:
  virtual ~CopyDecoder() = default;
  /// The next bytes of the stream, cut anywhere. kCorrupt for what is no such stream, or has other
  /// columns.
  virtual Status feed(std::string_view bytes) = 0;
  /// Whether enough is decoded for a batch; feed() takes more all the same.
  virtual bool is_full() const = 0;
  /// What was decoded since the last one; without rows where that is nothing.
  virtual Result<SourceBatch> take() = 0;
  /// kCorrupt where the stream's own end was not seen: it was cut off.
  virtual Status check_ended() const = 0;
};

/// kUnsupported where a column cannot become what it shall.
Result<std::unique_ptr<CopyDecoder>> make_copy_decoder(std::vector<CopyColumn> columns,
                                                       const CopyOptions& options);

}  // namespace weir::database
