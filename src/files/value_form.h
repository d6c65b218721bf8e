#pragma once

/// What a text must look like to become a value without being altered. DuckDB casts more than that:
/// it rounds `1.005` to decimal(10,2), drops what is finer than a microsecond, drops the time of a
/// date, takes `1.5` for an integer. So each text is looked at here first, and DuckDB casts what is
/// left. A form that is fine may still be no value (`99-99`): the cast then says so.

#include <cstdint>
#include <string>
#include <string_view>

#include "model/schema.h"

namespace weir::files {

enum class Form : uint8_t {
  kFine,
  kWrongType,      ///< `wrong_type`
  kScaleOverflow,  ///< `scale_overflow`: more digits after the point than the column keeps
  kTooFine,        ///< `finer_than_microsecond`
  kOutOfRange,     ///< `out_of_range`: a number beyond what the type reaches
  kNoZone,         ///< A timestamp without an offset where no zone is declared.
};

/// The reason code of a rejected value.
std::string_view to_text(Form form);

/// Judges the texts of one column. Safe to use from many threads at once.
class ValueForm {
 public:
  /// `has_zone`: zone-less timestamps are read in a declared zone.
  ValueForm(const model::DataType& type, bool has_zone, char decimal_separator);

  Form check(std::string_view text) const;
  /// Whether every text is fine: nothing needs to be looked at.
  bool takes_anything() const { return kind_ == model::TypeKind::kVarchar; }
  /// Whether the type counts in digits, so that the decimal separator matters.
  bool is_numeric() const;

 private:
  model::TypeKind kind_;
  int scale_;
  bool has_zone_;
  char point_;
};

/// Types that a column of a landing file may have: no lists, structs or maps.
bool is_readable_type(const model::DataType& type);

}  // namespace weir::files
