#include "model/control_sums.h"

#include <algorithm>

namespace weir::model {
namespace {

constexpr int kMostDigits = 38;

/// 10^digits, at most 10^38, which a signed 128-bit integer holds.
Int128 power_of_ten(int digits) {
  Int128 power = 1;
  for (int i = 0; i < digits; ++i) power *= 10;
  return power;
}

std::unexpected<Error> too_many_digits() {
  return fail_with_hint(ErrorCode::kUnsupported,
                        fmt::format("a sum of more than {} digits", kMostDigits),
                        "take the column out of `control_columns`");
}

bool fits(Int128 value) {
  static const Int128 kLimit = power_of_ten(kMostDigits);
  return value > -kLimit && value < kLimit;
}

/// The same number with more digits after the point.
Result<Int128> scaled(Int128 unscaled, int by) {
  Int128 value = 0;
  if (by > kMostDigits && unscaled != 0) return too_many_digits();
  if (unscaled == 0) return value;
  if (__builtin_mul_overflow(unscaled, power_of_ten(by), &value) || !fits(value))
    return too_many_digits();
  return value;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Number {
  Int128 unscaled = 0;
  int scale = 0;
};

/// `[+-]digits[.digits][e[+-]digits]`; nothing where the text is no number, or one that no column
/// holds. Zeros at the end do not count as digits.
std::optional<Number> parse(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  const bool is_negative = text.starts_with('-');
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  std::string digits;
  int scale = 0;
  bool has_point = false;
  size_t at = 0;
  for (; at < text.size() && (is_digit(text[at]) || (text[at] == '.' && !has_point)); ++at) {
    if (text[at] == '.') {
      has_point = true;
      continue;
    }
    digits += text[at];
    scale += has_point ? 1 : 0;
  }
  if (digits.empty()) return std::nullopt;
  int exponent = 0;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    std::string_view rest = text.substr(at + 1);
    const bool goes_down = rest.starts_with('-');
    if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
    if (rest.empty() || rest.size() > 4 || !std::ranges::all_of(rest, is_digit))
      return std::nullopt;
    for (const char c : rest) exponent = exponent * 10 + (c - '0');
    if (goes_down) exponent = -exponent;
  }
  const auto first = digits.find_first_not_of('0');
  if (first == std::string::npos) return Number{};
  digits.erase(0, first);
  while (digits.ends_with('0')) {
    digits.pop_back();
    --scale;
  }
  scale -= exponent;
  if (scale < 0) {
    if (digits.size() + static_cast<size_t>(-scale) > kMostDigits) return std::nullopt;
    digits.append(static_cast<size_t>(-scale), '0');
    scale = 0;
  }
  if (digits.size() > kMostDigits || scale > kMostDigits) return std::nullopt;
  Number number{0, scale};
  for (const char c : digits) number.unscaled = number.unscaled * 10 + (c - '0');
  if (is_negative) number.unscaled = -number.unscaled;
  return number;
}

}  // namespace

Status ExactSum::combine(const ExactSum& other, bool subtracts) {
  const int scale = std::max(scale_, other.scale_);
  WEIR_ASSIGN(const Int128 left, scaled(unscaled_, scale - scale_));
  WEIR_ASSIGN(const Int128 right, scaled(other.unscaled_, scale - other.scale_));
  const Int128 sum = subtracts ? left - right : left + right;
  if (!fits(sum)) return too_many_digits();
  unscaled_ = sum;
  scale_ = scale;
  values_ += subtracts ? -other.values_ : other.values_;
  return {};
}

Status ExactSum::add(Int128 unscaled, int scale) {
  if (scale == scale_) {  // the common case, without a look at powers
    const Int128 sum = unscaled_ + unscaled;
    if (!fits(unscaled) || !fits(sum)) return too_many_digits();
    unscaled_ = sum;
    ++values_;
    return {};
  }
  ExactSum one;
  one.unscaled_ = unscaled;
  one.scale_ = scale;
  one.values_ = 1;
  return combine(one, false);
}

Result<bool> ExactSum::add_text(std::string_view text) {
  const auto number = parse(text);
  if (!number) return false;
  WEIR_TRY(add(number->unscaled, number->scale));
  return true;
}

Status ExactSum::add(const ExactSum& other) { return combine(other, false); }
Status ExactSum::subtract(const ExactSum& other) { return combine(other, true); }

std::string ExactSum::text() const {
  Int128 value = unscaled_ < 0 ? -unscaled_ : unscaled_;
  int scale = scale_;
  for (; scale > 0 && value % 10 == 0; --scale) value /= 10;
  std::string digits;
  for (; value > 0; value /= 10) digits += static_cast<char>('0' + static_cast<int>(value % 10));
  while (digits.size() <= static_cast<size_t>(scale)) digits += '0';
  std::ranges::reverse(digits);
  const auto whole = digits.size() - static_cast<size_t>(scale);
  const std::string_view all = digits;
  return fmt::format("{}{}{}{}", unscaled_ < 0 ? "-" : "", all.substr(0, whole),
                     scale > 0 ? "." : "", all.substr(whole));
}

bool ExactSum::operator==(const ExactSum& other) const {
  return values_ == other.values_ && text() == other.text();
}

Json to_json(const ExactSum& sum) { return {{"sum", sum.text()}, {"values", sum.values_}}; }

Result<ExactSum> exact_sum_from_json(const Json& json) {
  WEIR_ASSIGN(const std::string text, json_field_or<std::string>(json, "sum", "0"));
  WEIR_ASSIGN(const int64_t values, json_field_or<int64_t>(json, "values", 0));
  ExactSum sum;
  WEIR_ASSIGN(const bool is_number, sum.add_text(text));
  if (!is_number) return fail(ErrorCode::kInvalidData, "'{}' is no sum", text);
  sum.values_ = values;
  return sum;
}

Result<ExactSum> exact_sum_of(std::string_view sum, int64_t values) {
  return exact_sum_from_json({{"sum", sum.empty() ? "0" : std::string(sum)}, {"values", values}});
}

Result<ExactSum> ControlSums::accounted() const {
  ExactSum sum;
  for (const auto* part :
       {&inserted, &updated_in_place, &rejected, &deduplicated, &unchanged, &filtered})
    WEIR_TRY(sum.add(*part));
  return sum;
}

namespace {

struct Part {
  const char* name;
  const char* words;
  ExactSum ControlSums::* sum;
};
constexpr Part kParts[] = {{"inserted", "inserted", &ControlSums::inserted},
                           {"updated_in_place", "updated in place", &ControlSums::updated_in_place},
                           {"rejected", "rejected", &ControlSums::rejected},
                           {"deduplicated", "deduplicated", &ControlSums::deduplicated},
                           {"unchanged", "unchanged", &ControlSums::unchanged},
                           {"filtered", "filtered", &ControlSums::filtered}};

std::string equation_text(const ControlSums& sums) {
  std::vector<std::string> parts;
  for (const auto& part : kParts) {
    if (!(sums.*part.sum).is_zero())
      parts.push_back(fmt::format("{} {}", (sums.*part.sum).text(), part.words));
  }
  if (parts.empty()) parts.emplace_back("0");
  return fmt::format("{}", fmt::join(parts, " + "));
}

}  // namespace

Json to_json(const HopSums& sums) {
  Json json = Json::object();
  for (const auto& [column, parts] : sums.columns) {
    Json each = {{"in", to_json(parts.in)}, {"out", to_json(parts.out)}};
    for (const auto& part : kParts)
      if (!(parts.*part.sum).is_zero()) each[part.name] = to_json(parts.*part.sum);
    json["columns"][column] = std::move(each);
  }
  if (!sums.keys_in.empty() || !sums.keys_out.empty())
    json["keys"] = {{"in", sums.keys_in}, {"out", sums.keys_out}};
  return json;
}

Result<HopSums> hop_sums_from_json(const Json& json) {
  HopSums sums;
  if (!json.is_object()) return sums;
  WEIR_ASSIGN(const Json columns, json_field_or<Json>(json, "columns", Json::object()));
  for (const auto& [column, each] : columns.items()) {
    ControlSums& parts = sums.columns[column];
    const auto read = [&](const char* name, ExactSum& into) -> Status {
      WEIR_ASSIGN(const Json value, json_field_or<Json>(each, name, Json::object()));
      WEIR_ASSIGN(into, exact_sum_from_json(value));
      return {};
    };
    WEIR_TRY(read("in", parts.in));
    WEIR_TRY(read("out", parts.out));
    for (const auto& part : kParts) WEIR_TRY(read(part.name, parts.*part.sum));
  }
  WEIR_ASSIGN(const Json keys, json_field_or<Json>(json, "keys", Json::object()));
  WEIR_ASSIGN(sums.keys_in, json_field_or<std::string>(keys, "in", ""));
  WEIR_ASSIGN(sums.keys_out, json_field_or<std::string>(keys, "out", ""));
  return sums;
}

Status check_closed(const HopSums& sums) {
  for (const auto& [column, parts] : sums.columns) {
    WEIR_ASSIGN(const ExactSum accounted, parts.accounted());
    if (accounted == parts.in) continue;
    return fail(ErrorCode::kCheckFailed,
                "the sum of control column '{}' does not close: in {} (of {} values), {} (of {}) "
                "accounted for: {}",
                column, parts.in.text(), parts.in.values(), accounted.text(), accounted.values(),
                equation_text(parts));
  }
  if (sums.keys_in != sums.keys_out)
    return fail(ErrorCode::kCheckFailed,
                "the keys that were delivered are not those that came in (digest {}…, came in {}…)",
                sums.keys_out.substr(0, 12), sums.keys_in.substr(0, 12));
  return {};
}

std::string to_text(const HopSums& sums) {
  std::vector<std::string> texts;
  for (const auto& [column, parts] : sums.columns)
    texts.push_back(fmt::format("{} {} = {}", column, parts.in.text(), equation_text(parts)));
  return fmt::format("{}", fmt::join(texts, "; "));
}

Result<std::vector<std::string>> control_columns(const Json& options) {
  std::vector<std::string> names;
  if (!options.is_object()) return names;
  const auto found = options.find("control_columns");
  if (found == options.end() || found->is_null()) return names;
  const bool is_list = found->is_array() && std::ranges::all_of(*found, [](const Json& each) {
                         return each.is_string();
                       });
  if (!is_list)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("option 'control_columns' is {}", dump_json(*found)),
                          "write a list of columns: control_columns: [amount]");
  for (const auto& each : *found) names.push_back(each.get<std::string>());
  return names;
}

Status check_control_columns(const Schema& schema, const std::vector<std::string>& columns,
                             std::string_view dataset) {
  for (const auto& name : columns) {
    const Column* column = find_column(schema, name);
    if (column == nullptr)
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("control column '{}' is not among the columns of {}", name, dataset),
          "take it out of `control_columns`, or declare it");
    const auto kind = column->type.kind;
    const bool is_exact = kind == TypeKind::kInteger || kind == TypeKind::kBigint ||
                          kind == TypeKind::kHugeint || kind == TypeKind::kDecimal;
    if (!is_exact)
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("control column '{}' of {} is {}", name, dataset, to_text(column->type)),
          "only whole numbers and decimals add up exactly: declare it decimal");
  }
  return {};
}

}  // namespace weir::model
