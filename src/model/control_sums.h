#pragma once

/// Sums of control columns: what a hop took in against what became of it, exact to the last digit.
/// Whole numbers and decimals only; a sum of floating-point numbers depends on their order.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/canonical.h"
#include "model/schema.h"

namespace weir::model {

/// A sum of decimals with up to 38 digits, and how many values went into it. NULLs do not.
class ExactSum {
 public:
  /// Adds one value, `unscaled · 10^−scale`. kUnsupported where the sum has too many digits.
  Status add(Int128 unscaled, int scale);
  /// Adds a number as text: `12`, `-1.50`, `1e3`, with spaces around. False where it is none, or
  /// has more than 38 digits.
  Result<bool> add_text(std::string_view text);
  Status add(const ExactSum& other);
  Status subtract(const ExactSum& other);

  int64_t values() const { return values_; }
  bool is_zero() const { return values_ == 0 && unscaled_ == 0; }
  std::string text() const;  ///< Without trailing zeros: `60.75`
  /// The same number out of the same number of values, whatever their scales.
  bool operator==(const ExactSum& other) const;

  friend Json to_json(const ExactSum& sum);
  friend Result<ExactSum> exact_sum_from_json(const Json& json);

 private:
  Status combine(const ExactSum& other, bool subtracts);

  Int128 unscaled_ = 0;
  int scale_ = 0;
  int64_t values_ = 0;
};
Json to_json(const ExactSum& sum);  ///< `{"sum": "60.75", "values": 3}`
Result<ExactSum> exact_sum_from_json(const Json& json);
/// From what an engine said of a column: its sum as text (empty: NULL) and its count.
Result<ExactSum> exact_sum_of(std::string_view sum, int64_t values);

/// One control column of one hop. The equation is that of the rows (model/outcome.h):
///   in = inserted + updated_in_place + rejected + deduplicated + unchanged + filtered
struct ControlSums {
  ExactSum in;
  ExactSum inserted;
  ExactSum updated_in_place;
  ExactSum rejected;
  ExactSum deduplicated;
  ExactSum unchanged;
  ExactSum filtered;  ///< Of rows that came to delete a key.
  ExactSum out;       ///< Of the target after the hop, read back.

  Result<ExactSum> accounted() const;  ///< The right side.
};

/// All that a hop proves beyond its rows; `sums` of an outcome's details. Empty where nothing is
/// declared.
struct HopSums {
  std::map<std::string, ControlSums> columns;
  /// Digests over the keys that came in and that were delivered; empty where the hop knows no key.
  std::string keys_in;
  std::string keys_out;
};
Json to_json(const HopSums& sums);
Result<HopSums> hop_sums_from_json(const Json& json);
/// kCheckFailed names the column whose sum does not close, with both sides.
Status check_closed(const HopSums& sums);
/// `amount 13.5 = 10.5 inserted + 3 rejected` of each column; empty where there is none.
std::string to_text(const HopSums& sums);

/// The option `control_columns` of a dataset. kInvalidConfig where it is no list of names.
Result<std::vector<std::string>> control_columns(const Json& options);
/// kInvalidConfig unless each is a column of whole numbers or decimals.
Status check_control_columns(const Schema& schema, const std::vector<std::string>& columns,
                             std::string_view dataset);

}  // namespace weir::model
