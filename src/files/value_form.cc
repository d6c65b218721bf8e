#include "files/value_form.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace weir::files {
namespace {

using model::TypeKind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Takes digits off the front; says how many.
size_t take_digits(std::string_view& text) {
  size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  text.remove_prefix(count);
  return count;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

void take_sign(std::string_view& text) {
  if (!take(text, '-')) take(text, '+');
}

// Integers: `[+-]digits`, and `.0` behind them, which spreadsheets like to add.
Form check_integer(std::string_view text, char point) {
  if (std::ranges::all_of(text, is_digit)) return text.empty() ? Form::kWrongType : Form::kFine;
  text = trimmed(text);
  take_sign(text);
  if (take_digits(text) == 0) return Form::kWrongType;
  if (take(text, point)) {
    while (take(text, '0')) {
    }
  }
  return text.empty() ? Form::kFine : Form::kWrongType;
}

// DuckDB's hugeint goes to 39 digits, of which a column of Parquet keeps 38.
Form check_hugeint(std::string_view text, char point) {
  constexpr size_t kMostDigits = 38;
  const Form form = check_integer(text, point);
  if (form != Form::kFine) return form;
  text = trimmed(text);
  take_sign(text);
  while (take(text, '0')) {
  }
  return take_digits(text) > kMostDigits ? Form::kOutOfRange : Form::kFine;
}

// Decimals: no digit but zeros beyond the scale, an exponent counted in.
Form check_decimal(std::string_view text, char point, int scale) {
  text = trimmed(text);
  take_sign(text);
  const size_t whole = take_digits(text);
  int64_t kept = 0;  // digits after the point up to the last that is not zero
  size_t fraction = 0;
  if (take(text, point)) {
    const std::string_view digits = text;
    fraction = take_digits(text);
    for (size_t i = 0; i < fraction; ++i) {
      if (digits[i] != '0') kept = static_cast<int64_t>(i) + 1;
    }
  }
  if (whole + fraction == 0) return Form::kWrongType;
  if (text.empty()) return kept > scale ? Form::kScaleOverflow : Form::kFine;
  if (!take(text, 'e') && !take(text, 'E')) return Form::kWrongType;
  const bool is_negative = !text.empty() && text.front() == '-';
  take_sign(text);
  int64_t exponent = 0;
  for (const char c : text) {
    if (!is_digit(c) || exponent > 1000) return Form::kWrongType;
    exponent = exponent * 10 + (c - '0');
  }
  if (text.empty()) return Form::kWrongType;
  // `100e-2` is whole, but telling so needs the digits before the point: refused as too fine.
  const int64_t needed = kept + (is_negative ? exponent : -exponent);
  return needed > scale ? Form::kScaleOverflow : Form::kFine;
}

// Whether a number is beyond what the type reaches: a cast would make it infinite or zero.
template <typename Number>
Form check_reach(std::string_view text, char point) {
  take(text, '+');
  std::string written(text);
  std::ranges::replace(written, point, '.');
  Number value = 0;
  const auto read = std::from_chars(written.data(), written.data() + written.size(), value);
  return read.ec == std::errc::result_out_of_range ? Form::kOutOfRange : Form::kFine;
}

template <typename Number>
Form check_float(std::string_view text, char point) {
  constexpr size_t kShort = 30;  // digits that every type reaches
  text = trimmed(text);
  std::string_view rest = text;
  take_sign(rest);
  const size_t whole = take_digits(rest);
  const size_t fraction = take(rest, point) ? take_digits(rest) : 0;
  if (whole + fraction > 0) {
    if (rest.empty()) return text.size() < kShort ? Form::kFine : check_reach<Number>(text, point);
    if (!take(rest, 'e') && !take(rest, 'E')) return Form::kWrongType;
    take_sign(rest);
    const bool is_number = take_digits(rest) > 0 && rest.empty();
    return is_number ? check_reach<Number>(text, point) : Form::kWrongType;
  }
  std::string word;
  for (const char c : rest) word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word == "nan" || word == "inf" || word == "infinity" ? Form::kFine : Form::kWrongType;
}

// `2022-05-12`, also `2022/5/12`; years 0001–9999.
bool take_date(std::string_view& text) {
  const std::string_view year = text;
  const size_t digits = take_digits(text);
  if (digits != 4 || year.starts_with("0000") || text.empty()) return false;
  const char separator = text.front();
  if (separator != '-' && separator != '/') return false;
  text.remove_prefix(1);
  const size_t month = take_digits(text);
  if (month < 1 || month > 2 || !take(text, separator)) return false;
  const size_t day = take_digits(text);
  return day >= 1 && day <= 2;
}

// `10:30`, `10:30:00`, `10:30:00.123456`; more digits only where they are zero.
Form take_time(std::string_view& text) {
  for (int part = 0; part < 2; ++part) {
    const size_t digits = take_digits(text);
    if (digits < 1 || digits > 2) return Form::kWrongType;
    if (part == 0 && !take(text, ':')) return Form::kWrongType;
  }
  if (!take(text, ':')) return Form::kFine;
  if (take_digits(text) != 2) return Form::kWrongType;
  if (!take(text, '.')) return Form::kFine;
  const std::string_view digits = text;
  const size_t count = take_digits(text);
  if (count == 0) return Form::kWrongType;
  const auto beyond = count > 6 ? digits.substr(6, count - 6) : std::string_view();
  return std::ranges::all_of(beyond, [](char c) { return c == '0'; }) ? Form::kFine
                                                                      : Form::kTooFine;
}

Form check_date(std::string_view text) {
  text = trimmed(text);
  return take_date(text) && text.empty() ? Form::kFine : Form::kWrongType;
}

Form check_time(std::string_view text) {
  text = trimmed(text);
  const Form form = take_time(text);
  return form == Form::kFine && !text.empty() ? Form::kWrongType : form;
}

// `Z`, `+02`, `+02:00`, `+0200`.
bool take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z')) return true;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return false;
  text.remove_prefix(1);
  const size_t hours = take_digits(text);
  if (hours == 4) return true;
  if (hours != 2) return false;
  return !take(text, ':') || take_digits(text) == 2;
}

Form check_timestamp(std::string_view text, bool has_zone) {
  text = trimmed(text);
  if (!take_date(text)) return Form::kWrongType;
  if (text.empty()) return has_zone ? Form::kFine : Form::kNoZone;
  if (!take(text, 'T') && !take(text, ' ')) return Form::kWrongType;
  const Form time = take_time(text);
  if (time != Form::kFine) return time;
  if (text.empty()) return has_zone ? Form::kFine : Form::kNoZone;
  take(text, ' ');
  return take_offset(text) && text.empty() ? Form::kFine : Form::kWrongType;
}

}  // namespace

std::string_view to_text(Form form) {
  switch (form) {
    case Form::kFine: return "fine";
    case Form::kWrongType: return "wrong_type";
    case Form::kScaleOverflow: return "scale_overflow";
    case Form::kTooFine: return "finer_than_microsecond";
    case Form::kOutOfRange: return "out_of_range";
    case Form::kNoZone: return "no_zone";
  }
  return "wrong_type";
}

ValueForm::ValueForm(const model::DataType& type, bool has_zone, char decimal_separator)
    : kind_(type.kind), scale_(type.scale), has_zone_(has_zone), point_(decimal_separator) {}

bool ValueForm::is_numeric() const {
  switch (kind_) {
    case TypeKind::kInteger:
    case TypeKind::kBigint:
    case TypeKind::kHugeint:
    case TypeKind::kDecimal:
    case TypeKind::kFloat:
    case TypeKind::kDouble: return true;
    default: return false;
  }
}

Form ValueForm::check(std::string_view text) const {
  switch (kind_) {
    case TypeKind::kInteger:
    case TypeKind::kBigint: return check_integer(text, point_);
    case TypeKind::kHugeint: return check_hugeint(text, point_);
    case TypeKind::kDecimal: return check_decimal(text, point_, scale_);
    case TypeKind::kFloat: return check_float<float>(text, point_);
    case TypeKind::kDouble: return check_float<double>(text, point_);
    case TypeKind::kDate: return check_date(text);
    case TypeKind::kTime: return check_time(text);
    case TypeKind::kTimestamp: return check_timestamp(text, has_zone_);
    default: return Form::kFine;
  }
}

bool is_readable_type(const model::DataType& type) { return type.children.empty(); }

}  // namespace weir::files
