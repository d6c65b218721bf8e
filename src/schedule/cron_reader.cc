#include "schedule/cron_reader.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>

#include <fmt/ranges.h>

#include "base/nearest.h"

namespace weir::schedule {
namespace {

enum class Kind { kMinute, kHour, kDay, kMonth, kWeekday };

constexpr std::array<std::string_view, 12> kMonths = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                      "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> kWeekdays = {"SUN", "MON", "TUE", "WED",
                                                       "THU", "FRI", "SAT"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords = {
    std::pair{"@yearly", "0 0 1 1 *"},  std::pair{"@annually", "0 0 1 1 *"},
    std::pair{"@monthly", "0 0 1 * *"}, std::pair{"@weekly", "0 0 * * 0"},
    std::pair{"@daily", "0 0 * * *"},   std::pair{"@midnight", "0 0 * * *"},
    std::pair{"@hourly", "0 * * * *"}};

constexpr std::string_view kFiveFields =
    "write five fields: minute hour day-of-month month day-of-week, such as `30 6 * * MON-FRI`";

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

}  // namespace

struct CronReader::Field {
  Kind kind;
  std::string_view name;
  int64_t least;
  int64_t greatest;
  std::string_view range;  ///< For hints.
  std::span<const std::string_view> names = {};
  int64_t first_name = 0;  ///< The number of the first name.
};

std::unexpected<Error> CronReader::fault(const Word& at, std::string message,
                                         std::string hint) const {
  Error error{ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), {}};
  error.place = Place{"cron expression", 1, static_cast<int64_t>(at.offset) + 1, std::string(text_),
                      std::max<int64_t>(1, static_cast<int64_t>(at.text.size()))};
  return std::unexpected(std::move(error));
}

std::vector<CronReader::Word> CronReader::words() const {
  std::vector<Word> found;
  for (size_t at = 0; at < text_.size();) {
    if (is_space(text_[at])) {
      ++at;
      continue;
    }
    const size_t start = at;
    while (at < text_.size() && !is_space(text_[at])) ++at;
    found.push_back({text_.substr(start, at - start), start});
  }
  return found;
}

Result<Cron> CronReader::read() {
  const auto found = words();
  if (found.size() == 1 && found[0].text.starts_with('@')) {
    const Word& word = found[0];
    const auto* known =
        std::ranges::find(kWords, word.text, [](const auto& each) { return each.first; });
    if (known == kWords.end()) {
      std::vector<std::string> names;
      for (const auto& [name, meaning] : kWords) names.emplace_back(name);
      const std::string guess = did_you_mean(word.text, names);
      return fault(word, fmt::format("there is no '{}'", word.text),
                   guess.empty() ? fmt::format("write one of: {}", fmt::join(names, ", ")) : guess);
    }
    auto meant = CronReader(known->second).read();
    if (meant) meant->text_ = std::string(word.text);
    return meant;
  }
  if (found.size() != 5) {
    const Word at = found.size() > 5 ? found[5] : Word{{}, text_.size()};
    return fault(at,
                 found.empty() ? std::string("a cron expression is empty")
                               : fmt::format("a cron expression has 5 fields, and '{}' has {}",
                                             text_, found.size()),
                 found.size() == 6 || found.size() == 7
                     ? "there are no fields for seconds and years here; " + std::string(kFiveFields)
                     : std::string(kFiveFields));
  }
  WEIR_TRY(read_fields(found));
  cron_.text_ = std::string(text_);
  // A leap year's 29 February falls on each weekday within 40 years, and within 28 as a rule; 400
  // years are all that there is.
  constexpr int64_t kYears400 = 146'097;
  if (!cron_.first_day(0, kYears400))
    return fault({text_, 0}, fmt::format("'{}' never comes: no year has such a day", text_),
                 "the last day of a month is `L`: `0 0 L * *`");
  return std::move(cron_);
}

Status CronReader::read_fields(const std::vector<Word>& words) {
  const std::array fields = {
      Field{Kind::kMinute, "minute", 0, 59, "minutes are 0 to 59"},
      Field{Kind::kHour, "hour", 0, 23, "hours are 0 to 23"},
      Field{Kind::kDay, "day of month", 1, 31, "days of a month are 1 to 31, and L for the last"},
      Field{Kind::kMonth, "month", 1, 12, "months are 1 to 12, or JAN to DEC", kMonths, 1},
      Field{Kind::kWeekday, "day of week", 0, 7,
            "days of a week are 0 to 7 (0 and 7 are Sunday), or SUN to SAT", kWeekdays, 0}};
  for (size_t i = 0; i < fields.size(); ++i) WEIR_TRY(read_field(fields[i], words[i]));
  cron_.days_are_restricted_ = !words[2].text.starts_with('*');
  cron_.weekdays_are_restricted_ = !words[4].text.starts_with('*');
  cron_.is_interval_ = words[1].text.find_first_of("*/") != std::string_view::npos ||
                       cron_.hours_ == Cron::kAllHours;
  return {};
}

Status CronReader::read_field(const Field& field, const Word& word) {
  size_t at = 0;
  while (true) {
    const size_t comma = std::min(word.text.find(',', at), word.text.size());
    const Word entry{word.text.substr(at, comma - at), word.offset + at};
    if (entry.text.empty())
      return fault(word,
                   fmt::format("the {} '{}' has an empty place in its list", field.name, word.text),
                   std::string(field.range));
    WEIR_ASSIGN(const Entry read, read_entry(field, entry));
    take(field, read);
    if (comma == word.text.size()) return {};
    at = comma + 1;
  }
}

Result<CronReader::Entry> CronReader::read_entry(const Field& field, const Word& word) const {
  Entry entry;
  if (word.text == "?")
    return fault(word, fmt::format("the {} says '?'", field.name), "write * for every one");
  if (field.kind == Kind::kDay && upper(word.text) == "L") {
    entry.is_last = true;
    return entry;
  }
  Word range = word;
  if (const size_t slash = word.text.find('/'); slash != std::string_view::npos) {
    range.text = word.text.substr(0, slash);
    const Word step{word.text.substr(slash + 1), word.offset + slash + 1};
    const auto [end, problem] =
        std::from_chars(step.text.data(), step.text.data() + step.text.size(), entry.step);
    const bool is_read = problem == std::errc() && end == step.text.data() + step.text.size();
    if (!is_read || entry.step < 1 || entry.step > field.greatest)
      return fault(word,
                   fmt::format("the {} '{}' has the step '{}'", field.name, word.text, step.text),
                   fmt::format("a step is a whole number from 1 to {}", field.greatest));
    entry.has_step = true;
  }
  if (field.kind == Kind::kWeekday && range.text.contains('#')) {
    WEIR_TRY(read_weeks(field, range, entry));
    return entry;
  }
  if (range.text == "*") {
    entry.is_star = true;
    entry.from = field.least;
    entry.to = field.kind == Kind::kWeekday ? 6 : field.greatest;
    return entry;
  }
  const size_t dash = range.text.find('-');
  WEIR_ASSIGN(entry.from, read_number(field, {range.text.substr(0, dash), range.offset}));
  entry.to = entry.from;
  if (dash != std::string_view::npos) {
    WEIR_ASSIGN(entry.to,
                read_number(field, {range.text.substr(dash + 1), range.offset + dash + 1}));
  } else if (entry.has_step) {
    entry.to = field.kind == Kind::kWeekday ? 6 : field.greatest;
  }
  if (entry.from <= entry.to) return entry;
  if (field.kind != Kind::kWeekday)
    return fault(range, fmt::format("the {} '{}' goes backwards", field.name, range.text),
                 fmt::format("write two ranges: {}-{},{}-{}", entry.from, field.greatest,
                             field.least, entry.to));
  entry.to += 7;  // FRI-MON goes on into the next week.
  return entry;
}

/// `FRI#2`, `5#L`
Status CronReader::read_weeks(const Field& field, const Word& word, Entry& entry) const {
  const size_t mark = word.text.find('#');
  const std::string_view week = word.text.substr(mark + 1);
  const bool is_week =
      week.size() == 1 && ((week[0] >= '1' && week[0] <= '5') || week[0] == 'L' || week[0] == 'l');
  if (!is_week || entry.has_step)
    return fault(word, fmt::format("the {} '{}' does not read", field.name, word.text),
                 "FRI#1 to FRI#5 are the first to fifth Friday of a month, FRI#L is its last");
  WEIR_ASSIGN(entry.from, read_number(field, {word.text.substr(0, mark), word.offset}));
  entry.to = entry.from;
  const int bit = week[0] >= '1' && week[0] <= '5' ? week[0] - '0' : 0;
  entry.weeks = static_cast<uint8_t>(1 << bit);
  return {};
}

Result<int64_t> CronReader::read_number(const Field& field, const Word& word) const {
  const std::string_view text = word.text;
  const std::string name = upper(text);
  const auto named = std::ranges::find(field.names, name);
  if (named != field.names.end()) return field.first_name + (named - field.names.begin());
  int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_digits =
      !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_digits) {
    const std::vector<std::string> names(field.names.begin(), field.names.end());
    const std::string guess = did_you_mean(name, names);
    return fault(word, fmt::format("the {} '{}' does not read", field.name, text),
                 guess.empty() ? std::string(field.range) : guess);
  }
  if (problem != std::errc() || number < field.least || number > field.greatest)
    return fault(word, fmt::format("the {} {} is out of range", field.name, text),
                 std::string(field.range));
  return number;
}

void CronReader::take(const Field& field, const Entry& entry) {
  if (entry.is_last) {
    cron_.days_ |= 1U;
    return;
  }
  uint8_t* weeks = nullptr;
  for (int64_t number = entry.from; number <= entry.to; number += entry.step) {
    const auto bit = static_cast<unsigned>(number);
    switch (field.kind) {
      case Kind::kMinute: cron_.minutes_ |= uint64_t{1} << bit; break;
      case Kind::kHour: cron_.hours_ |= 1U << bit; break;
      case Kind::kDay: cron_.days_ |= 1U << bit; break;
      case Kind::kMonth: cron_.months_ |= 1U << bit; break;
      case Kind::kWeekday:
        weeks = &cron_.weekdays_.at(bit % 7);
        *weeks = static_cast<uint8_t>(*weeks | (entry.weeks == 0 ? Cron::kEveryWeek : entry.weeks));
        break;
    }
  }
}

Result<Cron> parse_cron(std::string_view text) { return CronReader(text).read(); }

}  // namespace weir::schedule
