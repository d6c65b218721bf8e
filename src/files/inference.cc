#include "files/inference.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <arrow/array.h>

#include "files/csv_reader.h"
#include "files/record_splitter.h"
#include "files/value_form.h"

namespace weir::files {
namespace {

using model::TypeKind;

constexpr int64_t kSample = 1 << 20;
constexpr size_t kDoubleDigits = 15;  // that a double always keeps

model::DataType type_of(TypeKind kind) { return {kind, 0, 0, {}}; }

int number_at(std::string_view text, size_t from, size_t size) {
  int value = -1;
  if (from + size <= text.size()) {
    std::from_chars(text.data() + from, text.data() + from + size, value);
  }
  return value;
}

bool is_boolean(std::string_view text) {
  static const std::set<std::string_view> kWords = {"true",  "false", "True",
                                                    "False", "TRUE",  "FALSE"};
  return kWords.contains(text);
}

// `-12`, but no `+12`, `012`, ` 12` or `12.0`: those may mean more than a number.
bool is_plain_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return false;
  if (text.starts_with('-')) text.remove_prefix(1);
  return text == "0" ? value == 0 : !text.starts_with('0');
}

/// Whether a double, written as briefly as it can be, gives the same text again: so it does for
/// what was a double before it was written, and not for an account number of 17 digits.
bool is_kept_by_a_double(std::string text, char point) {
  std::ranges::replace(text, point, '.');
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return false;
  return text.contains('.') && fmt::format("{}", value) == text;
}

bool is_plain_number(std::string_view text, char point) {
  const ValueForm form(type_of(TypeKind::kDouble), false, point);
  if (form.check(text) != Form::kFine) return false;
  if (text.starts_with('-')) text.remove_prefix(1);
  const auto digits = static_cast<size_t>(std::ranges::count_if(
      text.substr(0, text.find_first_of("eE")), [](char c) { return c >= '0' && c <= '9'; }));
  const bool has_leading_zero =
      text.size() > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9';
  const bool starts_with_digit = !text.empty() && text[0] >= '0' && text[0] <= '9';
  return starts_with_digit && !has_leading_zero && text.back() != ' ' &&
         (digits <= kDoubleDigits || is_kept_by_a_double(std::string(text), point));
}

// `2022-05-12`, a day of the calendar.
bool is_iso_date(std::string_view text) {
  static constexpr int kDays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const int year = number_at(text, 0, 4);
  const int month = number_at(text, 5, 2);
  const int day = number_at(text, 8, 2);
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > kDays[month - 1]) return false;
  const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month != 2 || day < 29 || is_leap;
}

bool is_timestamp(std::string_view text, bool has_zone) {
  const ValueForm form(type_of(TypeKind::kTimestamp), has_zone, '.');
  if (form.check(text) != Form::kFine || text.size() < 16 || !is_iso_date(text.substr(0, 10))) {
    return false;
  }
  if (text[13] != ':' || number_at(text, 11, 2) > 23 || number_at(text, 14, 2) > 59) return false;
  return text.size() < 19 || text[16] != ':' || number_at(text, 17, 2) <= 59;
}

// What the values seen so far could all be.
struct Vote {
  bool has_value = false;
  bool boolean = true;
  bool integer = true;
  bool number = true;
  bool date = true;
  bool timestamp = true;

  bool is_decided() const { return !(boolean || integer || number || date || timestamp); }
  void add(std::string_view text, const Dialect& dialect) {
    has_value = true;
    boolean = boolean && is_boolean(text);
    integer = integer && is_plain_integer(text);
    number = number && is_plain_number(text, dialect.decimal_separator);
    date = date && is_iso_date(text);
    timestamp = timestamp && is_timestamp(text, !dialect.timezone.empty());
  }
  TypeKind winner() const {
    if (!has_value) return TypeKind::kVarchar;
    if (boolean) return TypeKind::kBoolean;
    if (integer) return TypeKind::kBigint;
    if (number) return TypeKind::kDouble;
    if (date) return TypeKind::kDate;
    return timestamp ? TypeKind::kTimestamp : TypeKind::kVarchar;
  }
};

struct Score {
  double share = 0;  // of records that have the commonest width
  size_t width = 0;
  auto operator<=>(const Score&) const = default;
};

// How well a text splits by a dialect.
Score score_of(const Dialect& dialect, std::string_view text, bool is_whole) {
  RecordSplitter splitter(dialect);
  splitter.set_window(text, is_whole);
  std::map<size_t, size_t> widths;
  size_t records = 0;
  Record record;
  for (auto found = splitter.next(record);; found = splitter.next(record)) {
    if (found == RecordSplitter::Found::kSkipped) continue;
    if (found != RecordSplitter::Found::kRecord) break;
    ++records;
    if (record.fault == RecordFault::kNone) ++widths[record.fields.size()];
  }
  Score best;
  for (const auto& [width, count] : widths) {
    const Score score = {static_cast<double>(count) / static_cast<double>(records), width};
    if (score.share > best.share) best = score;
  }
  if (best.width <= 1) best.share /= 2;  // a file of one column is the last thing to believe
  return best;
}

// A first record of names: none empty, none twice, none that looks like a value.
bool looks_like_header(const Dialect& dialect, std::string_view text, bool is_whole) {
  RecordSplitter splitter(dialect);
  splitter.set_window(text, is_whole);
  Record record;
  auto found = splitter.next(record);
  while (found == RecordSplitter::Found::kSkipped) found = splitter.next(record);
  if (found != RecordSplitter::Found::kRecord) return true;
  std::set<std::string> names;
  std::string buffer;
  for (const Field& field : record.fields) {
    const std::string name(splitter.field_text(record, field, buffer));
    Vote vote;
    vote.add(name, dialect);
    if (name.empty() || !names.insert(name).second || vote.winner() != TypeKind::kVarchar) {
      return false;
    }
  }
  return true;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\^$.[]|()?*+{}").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A glob that fits the text: what has a meaning in globs becomes `?`.
std::string literal(std::string_view text) {
  std::string glob(text);
  for (char& c : glob) {
    if (std::string_view("*?[]{}\\").find(c) != std::string_view::npos) c = '?';
  }
  return glob;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct DateInName {
  size_t begin = 0;
  size_t length = 0;
  std::string expression;
};

// The date within a file's name: `20220512`, also with HHMM or HHMMSS behind it, or `2022-05-12`.
std::optional<DateInName> date_in(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (!is_digit(name[i]) || (i > 0 && is_digit(name[i - 1]))) continue;
    size_t digits = 0;
    while (i + digits < name.size() && is_digit(name[i + digits])) ++digits;
    const auto text = name.substr(i);
    if (digits == 4 && text.size() >= 10 && is_iso_date(text.substr(0, 10)) &&
        (text.size() == 10 || !is_digit(text[10]))) {
      return DateInName{i, 10, R"(\d{4}-\d{2}-\d{2})"};
    }
    if (digits != 8 && digits != 12 && digits != 14) continue;
    const std::string iso =
        fmt::format("{}-{}-{}", text.substr(0, 4), text.substr(4, 2), text.substr(6, 2));
    if (is_iso_date(iso)) return DateInName{i, digits, fmt::format(R"(\d{{{}}})", digits)};
  }
  return std::nullopt;
}

}  // namespace

Result<model::Schema> infer_schema(storage::Storage& store, const std::string& name,
                                   const Dialect& dialect) {
  ReadOptions options;
  options.dialect = dialect;
  WEIR_ASSIGN(const auto reader, CsvReader::open(store, name, std::move(options)));
  return infer_schema(*reader);
}

Result<model::Schema> infer_schema(RecordReader& reader) {
  Dialect dialect;
  dialect.timezone = reader.timezone();
  dialect.decimal_separator = reader.decimal_separator();
  std::vector<Vote> votes(reader.plan().schema.size());
  while (true) {
    WEIR_ASSIGN(const auto chunk, reader.next());
    if (!chunk) break;
    for (const auto& batch : chunk->batches) {
      for (size_t i = 0; i < votes.size(); ++i) {
        const auto& texts =
            static_cast<const arrow::StringArray&>(*batch->column(static_cast<int>(i)));
        for (int64_t row = 0; row < texts.length() && !votes[i].is_decided(); ++row) {
          if (texts.IsValid(row)) votes[i].add(texts.GetView(row), dialect);
        }
      }
    }
  }
  model::Schema schema = reader.plan().schema;
  for (size_t i = 0; i < votes.size(); ++i) schema[i].type = type_of(votes[i].winner());
  return schema;
}

Result<FileGuess> guess_file(storage::Storage& store, const std::string& name) {
  WEIR_ASSIGN(const std::string bytes, store.read(name, {0, kSample}));
  const bool is_whole = static_cast<int64_t>(bytes.size()) < kSample;
  FileGuess guess;
  const Encoding encoding =
      guess_encoding(is_whole ? std::string_view(bytes) : without_cut_character(bytes));
  if (encoding != Encoding::kUtf8) guess.dialect.encoding = encoding;
  const ByteOrderMark mark = byte_order_mark(bytes);
  std::string text;
  Decoder(encoding).decode(std::string_view(bytes).substr(static_cast<size_t>(mark.length)), text);
  Dialect best = guess.dialect;
  best.ends_at_cr = text.find('\n') == std::string::npos && text.find('\r') != std::string::npos;
  Score score;
  const Dialect plain = best;
  for (const char quote : {'"', '\''}) {
    for (const char delimiter : {',', ';', '\t', '|'}) {
      Dialect dialect = plain;
      dialect.delimiter = delimiter;
      dialect.quote = dialect.escape = quote;
      if (const Score found = score_of(dialect, text, is_whole); found > score) {
        score = found;
        best = dialect;
      }
    }
  }
  best.has_header = looks_like_header(best, text, is_whole);
  guess.dialect = best;
  WEIR_ASSIGN(guess.schema, infer_schema(store, name, guess.dialect));
  return guess;
}

std::vector<PatternGuess> guess_patterns(const std::vector<std::string>& names) {
  std::map<std::string, PatternGuess> by_glob;
  for (const std::string& name : names) {
    const size_t start = name.rfind('/') + 1;  // 0 where there is none
    const std::string_view file = std::string_view(name).substr(start);
    PatternGuess guess = {literal(name), ""};
    if (const auto date = date_in(file)) {
      const auto before = file.substr(0, date->begin);
      const auto after = file.substr(date->begin + date->length);
      guess.glob = literal(name.substr(0, start)) + literal(before) + "*" + literal(after);
      guess.as_of = fmt::format("{}(?<as_of>{})", escaped(before), date->expression);
    } else if (const size_t digit = file.find_first_of("0123456789"); digit != file.npos) {
      const size_t end = std::min(file.find_first_not_of("0123456789", digit), file.size());
      guess.glob = literal(name.substr(0, start)) + literal(file.substr(0, digit)) + "*" +
                   literal(file.substr(end));
    }
    by_glob.emplace(guess.glob, guess);
  }
  std::vector<PatternGuess> guesses;
  for (auto& [glob, guess] : by_glob) guesses.push_back(std::move(guess));
  return guesses;
}

}  // namespace weir::files
