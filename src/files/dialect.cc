#include "files/dialect.h"

#include <set>

#include "base/nearest.h"

namespace weir::files {
namespace {

const std::vector<std::string>& known_keys() {
  static const std::vector<std::string> kKeys = {
      "comment", "decimal_separator", "delimiter", "encoding",    "escape", "header",
      "null",    "max_record_bytes",  "quote",     "quoted_null", "rename", "skip_lines",
      "timezone"};
  return kKeys;
}

Result<std::string> text_of(const Json& csv, const std::string& key) {
  const Json& value = csv.at(key);
  if (value.is_null()) return std::string();
  if (!value.is_string()) {
    return fail(ErrorCode::kInvalidConfig, "csv option '{}' is {}, expected text", key,
                dump_json(value));
  }
  return value.get<std::string>();
}

// One ASCII character, `\t` or a name for it; empty text is NUL where the option can be switched
// off.
Status read_character(const Json& csv, const std::string& key, bool can_be_off, char& out) {
  if (!csv.contains(key)) return {};
  WEIR_ASSIGN(std::string text, text_of(csv, key));
  if (text == "\\t" || text == "tab") text.assign(1, '\t');
  if (text.empty() && can_be_off) {
    out = 0;
    return {};
  }
  if (text.size() > 1) {
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("csv option '{}' is '{}'", key, text),
                          "it must be one ASCII character, like ',' or '\\t'");
  }
  if (text.empty() || static_cast<uint8_t>(text[0]) >= 0x80 || text[0] == '\n' || text[0] == '\r' ||
      text[0] == '\0') {
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("csv option '{}' is {}", key, dump_json(csv.at(key))),
                          "it must be one ASCII character, like ',' or '\\t'");
  }
  out = text[0];
  return {};
}

Status read_number(const Json& csv, const std::string& key, int64_t least, int64_t& out) {
  if (!csv.contains(key)) return {};
  const Json& value = csv.at(key);
  if (!value.is_number_integer() || value.get<int64_t>() < least) {
    return fail(ErrorCode::kInvalidConfig, "csv option '{}' is {}, expected a number from {}", key,
                dump_json(value), least);
  }
  out = value.get<int64_t>();
  return {};
}

Status read_flag(const Json& csv, const std::string& key, bool& out) {
  if (!csv.contains(key)) return {};
  if (!csv.at(key).is_boolean()) {
    return fail(ErrorCode::kInvalidConfig, "csv option '{}' is {}, expected true or false", key,
                dump_json(csv.at(key)));
  }
  out = csv.at(key).get<bool>();
  return {};
}

Status read_nulls(const Json& csv, std::vector<std::string>& out) {
  if (!csv.contains("null")) return {};
  const Json& value = csv.at("null");
  const Json list = value.is_array() ? value : Json::array({value});
  out.clear();
  for (const Json& item : list) {
    if (!item.is_string()) {
      return fail(ErrorCode::kInvalidConfig, "csv option 'null' holds {}, expected texts",
                  dump_json(item));
    }
    out.push_back(item.get<std::string>());
  }
  return {};
}

Status read_rename(const Json& csv, std::map<std::string, std::string>& out) {
  if (!csv.contains("rename") || csv.at("rename").is_null()) return {};
  const Json& names = csv.at("rename");
  const auto refuse = [](const std::string& what) {
    return fail_with_hint(ErrorCode::kInvalidConfig, "csv option 'rename' " + what,
                          "write {name in the header: name of the column}");
  };
  if (!names.is_object()) return refuse(fmt::format("is {}", dump_json(names)));
  std::map<std::string, std::string> taken;
  for (const auto& [from, to] : names.items()) {
    if (!to.is_string() || to.get_ref<const std::string&>().empty())
      return refuse(fmt::format("calls '{}' {}", from, dump_json(to)));
    const auto [other, is_new] = taken.emplace(to.get<std::string>(), from);
    if (!is_new)
      return refuse(
          fmt::format("calls '{}' and '{}' both '{}'", other->second, from, other->first));
    out.emplace(from, to.get<std::string>());
  }
  return {};
}

Status check_characters(const Dialect& dialect) {
  std::set<char> seen = {dialect.delimiter};
  for (const char c : {dialect.quote, dialect.comment}) {
    if (c != 0 && !seen.insert(c).second) {
      return fail(ErrorCode::kInvalidConfig,
                  "csv options give '{}' two meanings among delimiter, quote and comment", c);
    }
  }
  if (dialect.escape == dialect.delimiter) {
    return fail(ErrorCode::kInvalidConfig, "csv options 'escape' and 'delimiter' are both '{}'",
                dialect.escape);
  }
  if (dialect.decimal_separator != '.' && dialect.decimal_separator != ',') {
    return fail(ErrorCode::kInvalidConfig, "csv option 'decimal_separator' is '{}', not '.' or ','",
                dialect.decimal_separator);
  }
  return {};
}

}  // namespace

Result<Dialect> dialect_from_json(const Json& csv) {
  Dialect dialect;
  if (csv.is_null() || (csv.is_boolean() && csv.get<bool>())) return dialect;
  if (!csv.is_object()) {
    return fail(ErrorCode::kInvalidConfig, "format csv is {}, expected options", dump_json(csv));
  }
  const std::set<std::string> known(known_keys().begin(), known_keys().end());
  for (const auto& [key, value] : csv.items()) {
    if (!known.contains(key)) {
      return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("unknown csv option '{}'", key),
                            did_you_mean(key, known_keys()));
    }
  }
  WEIR_TRY(read_character(csv, "delimiter", false, dialect.delimiter));
  WEIR_TRY(read_character(csv, "quote", true, dialect.quote));
  dialect.escape = dialect.quote;
  WEIR_TRY(read_character(csv, "escape", true, dialect.escape));
  if (dialect.escape == 0) dialect.escape = dialect.quote;
  WEIR_TRY(read_character(csv, "comment", true, dialect.comment));
  WEIR_TRY(read_character(csv, "decimal_separator", false, dialect.decimal_separator));
  WEIR_TRY(read_flag(csv, "header", dialect.has_header));
  WEIR_TRY(read_number(csv, "skip_lines", 0, dialect.skip_lines));
  WEIR_TRY(read_number(csv, "max_record_bytes", 64, dialect.max_record_bytes));
  if (dialect.max_record_bytes > int64_t{1} << 30) {
    return fail(ErrorCode::kInvalidConfig, "csv option 'max_record_bytes' is {}, at most 1 GiB",
                dialect.max_record_bytes);
  }
  WEIR_TRY(read_nulls(csv, dialect.nulls));
  bool quoted_null = true;
  WEIR_TRY(read_flag(csv, "quoted_null", quoted_null));
  dialect.quoted_is_text = !quoted_null;
  WEIR_TRY(read_rename(csv, dialect.rename));
  if (!dialect.rename.empty() && !dialect.has_header)
    return fail_with_hint(
        ErrorCode::kInvalidConfig, "csv option 'rename' stands beside 'header: false'",
        "a file without a header has no names: its fields are the declared columns, in order");
  if (csv.contains("timezone")) {
    WEIR_ASSIGN(dialect.timezone, text_of(csv, "timezone"));
  }
  if (csv.contains("encoding") && !csv.at("encoding").is_null()) {
    WEIR_ASSIGN(const std::string name, text_of(csv, "encoding"));
    WEIR_ASSIGN(dialect.encoding, encoding_from_text(name));
  }
  WEIR_TRY(check_characters(dialect));
  return dialect;
}

Json to_json(const Dialect& dialect) {
  const Dialect plain;
  Json json = Json::object();
  const auto text = [](char c) { return c == 0 ? std::string() : std::string(1, c); };
  if (dialect.delimiter != plain.delimiter) json["delimiter"] = text(dialect.delimiter);
  if (dialect.quote != plain.quote) json["quote"] = text(dialect.quote);
  if (dialect.escape != dialect.quote) json["escape"] = text(dialect.escape);
  if (dialect.comment != 0) json["comment"] = text(dialect.comment);
  if (!dialect.has_header) json["header"] = false;
  if (dialect.skip_lines != 0) json["skip_lines"] = dialect.skip_lines;
  if (dialect.encoding) json["encoding"] = to_text(*dialect.encoding);
  if (dialect.nulls != plain.nulls) json["null"] = dialect.nulls;
  if (dialect.quoted_is_text) json["quoted_null"] = false;
  if (!dialect.timezone.empty()) json["timezone"] = dialect.timezone;
  if (dialect.decimal_separator != '.') json["decimal_separator"] = text(dialect.decimal_separator);
  if (dialect.max_record_bytes != plain.max_record_bytes) {
    json["max_record_bytes"] = dialect.max_record_bytes;
  }
  if (!dialect.rename.empty()) json["rename"] = dialect.rename;
  return json;
}

}  // namespace weir::files
