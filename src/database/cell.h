#pragma once

/// Values as client libraries hand them out one by one, and what becomes of them in Arrow: exactly
/// what they are, or their row is refused with a reason. It knows no connection and no SQL.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "database/local_clock.h"
#include "database/source.h"
#include "model/canonical.h"
#include "model/schema.h"

namespace weir::database {

enum class CellKind : uint8_t {
  kNull,
  kInteger,
  kUnsigned,
  kFloat,
  kDouble,
  kNumeric,  ///< A number as text: `-12.50`, `1e+20`
  kText,     ///< UTF-8, or so it says.
  kBytes,
  kDate,
  kDateTime,  ///< Without a zone, or in UTC: the column says.
  kInstant,   ///< In UTC, whatever the column says: `integer` is microseconds since 1970.
  kTime,
  kMisfit,  ///< None of the column's type: `text` is what it is.
};

struct CivilTime {
  int64_t year = 0;
  uint32_t month = 0;
  uint32_t day = 0;
  int64_t hour = 0;  ///< Of a time: any number.
  uint32_t minute = 0;
  uint32_t second = 0;
  uint32_t microsecond = 0;
  bool is_negative = false;  ///< Times only.
};

struct Cell {
  CellKind kind = CellKind::kNull;
  int64_t integer = 0;
  uint64_t natural = 0;
  double floating = 0;    ///< Holds a kFloat, too.
  std::string_view text;  ///< Lives as long as its owner says.
  CivilTime time;
  int fraction_digits = 6;  ///< How many of a time are shown.
};

/// As people write it, with ISO dates; numbers in their shortest form, bytes in hex where they are
/// no text.
std::string text_of(const Cell& cell);

/// The microseconds since 1970 that a date and time counts, as if in UTC; nothing for what no
/// calendar has.
std::optional<int64_t> microseconds_of(const CivilTime& time);
/// And back, for years 0 to 9999.
CivilTime civil_of(int64_t microseconds);

/// Whether cells of that kind can become that type, each exactly or not at all.
bool can_become(CellKind kind, const model::DataType& type);

struct CellColumn {
  std::string name;
  model::DataType type;
  LocalClock* clock = nullptr;  ///< Places kDateTime; none: it is in UTC.
};

/// Rows of cells, gathered into batches. Not for several threads at once.
class CellWriter {
 public:
  virtual ~CellWriter() = default;
  /// One row, a cell for each column.
  virtual Status append(std::span<const Cell> row) = 0;
  /// Whether enough was appended for a batch.
  virtual bool is_full() const = 0;
  /// What was appended since the last one; without rows where that is nothing.
  virtual Result<SourceBatch> take() = 0;
};

Result<std::unique_ptr<CellWriter>> make_cell_writer(std::vector<CellColumn> columns,
                                                     const ReadOptions& options);

}  // namespace weir::database
