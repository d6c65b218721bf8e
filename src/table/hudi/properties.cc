#include "table/hudi/properties.h"

#include <array>
#include <cctype>

#include "table/hudi/avro_schema.h"

namespace weir::table {
namespace {

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

/// The next code point of UTF-8 text; a byte that starts none counts as Latin-1.
uint32_t take_utf8(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const size_t length = first < 0x80    ? 1
                        : first >= 0xF0 ? 4
                        : first >= 0xE0 ? 3
                        : first >= 0xC0 ? 2
                                        : 1;
  if (length == 1 || text.size() < length) {
    text.remove_prefix(1);
    return first;
  }
  uint32_t code = first & (0xFFU >> (length + 1));
  for (size_t i = 1; i < length; ++i)
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  text.remove_prefix(length);
  return code;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

std::string_view without_leading_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

/// One line as Java counts it: joined where it ends with an odd number of backslashes.
std::string take_logical_line(std::string_view& text) {
  std::string line;
  bool is_first = true;
  while (true) {
    const size_t end = text.find_first_of("\r\n");
    std::string_view piece = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    piece = without_leading_blanks(piece);
    const bool is_comment = is_first && !piece.empty() && (piece[0] == '#' || piece[0] == '!');
    size_t backslashes = 0;
    while (backslashes < piece.size() && piece[piece.size() - 1 - backslashes] == '\\')
      ++backslashes;
    line += piece;
    is_first = false;
    if (is_comment || backslashes % 2 == 0 || text.empty()) return line;
    line.pop_back();
  }
}

Result<uint32_t> hex4(std::string_view text) {
  if (text.size() < 4)
    return fail(ErrorCode::kCorrupt, "{}: \\u{} is cut short", kPropertiesFile, text);
  uint32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0)
      return fail(ErrorCode::kCorrupt, "{}: \\u{} is no character", kPropertiesFile,
                  text.substr(0, 4));
    value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return value;
}

/// Takes one character of a key or value, its escape resolved, onto `out`.
Status take_character(std::string_view& line, std::string& out) {
  if (line.front() != '\\' || line.size() == 1) {
    append_utf8(out, static_cast<unsigned char>(line.front()));
    line.remove_prefix(1);
    return {};
  }
  const char c = line[1];
  line.remove_prefix(2);
  if (c != 'u') {
    out += c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'f' ? '\f' : c;
    return {};
  }
  WEIR_ASSIGN(uint32_t code, hex4(line));
  line.remove_prefix(4);
  if (code >= 0xD800 && code < 0xDC00 && line.starts_with("\\u")) {
    WEIR_ASSIGN(const uint32_t low, hex4(line.substr(2)));
    if (low >= 0xDC00 && low < 0xE000) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      line.remove_prefix(6);
    }
  }
  append_utf8(out, code);
  return {};
}

void append_escaped(std::string& out, std::string_view text, bool is_key) {
  bool is_first = true;
  while (!text.empty()) {
    const uint32_t code = take_utf8(text);
    const char c = static_cast<char>(code);
    if (code == ' ' && (is_key || is_first)) {
      out += "\\ ";
    } else if (code == '\t' || code == '\n' || code == '\r' || code == '\f') {
      out += code == '\t' ? "\\t" : code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\f";
    } else if (code < 0x20 || code > 0x7E) {
      if (code >= 0x10000)
        out += fmt::format("\\u{:04X}\\u{:04X}", 0xD800 + ((code - 0x10000) >> 10),
                           0xDC00 + ((code - 0x10000) & 0x3FF));
      else
        out += fmt::format("\\u{:04X}", code);
    } else {
      if (std::string_view("\\:=#!").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
    is_first = false;
  }
}

uint32_t crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xEDB88320 & (0U - (crc & 1)));
  }
  return ~crc;
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ","));
}

/// Hudi's class by which Spark makes keys and partition paths: its writers refuse another.
std::string key_generator(const TableOptions& options) {
  if (options.partition_by.empty()) return "org.apache.hudi.keygen.NonpartitionedKeyGenerator";
  const bool is_simple = options.record_key.size() == 1 && options.partition_by.size() == 1;
  return is_simple ? "org.apache.hudi.keygen.SimpleKeyGenerator"
                   : "org.apache.hudi.keygen.ComplexKeyGenerator";
}

Status check_key_columns(const TableOptions& options) {
  if (options.record_key.empty())
    return fail(ErrorCode::kInvalidConfig, "table '{}' has no record key", options.name);
  if (options.record_key.size() == 1 && options.partition_by.size() > 1)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("table '{}' has one key column and {} partition columns: releases of Hudi "
                    "disagree about how its keys are written",
                    options.name, options.partition_by.size()),
        "partition by one column, or make a partition column part of the key");
  std::vector<std::string> named = options.record_key;
  named.insert(named.end(), options.partition_by.begin(), options.partition_by.end());
  if (!options.ordering_field.empty()) named.push_back(options.ordering_field);
  for (const auto& name : named) {
    if (name.find(',') != std::string::npos)
      return fail(ErrorCode::kInvalidConfig,
                  "table '{}': Hudi lists key columns with commas, so '{}' cannot be one",
                  options.name, name);
    if (!options.schema.empty() && model::find_column(options.schema, name) == nullptr)
      return fail(ErrorCode::kInvalidConfig,
                  "table '{}' has no column '{}' for its record key, partitions or ordering field",
                  options.name, name);
  }
  return {};
}

}  // namespace

Result<TableProperties> parse_properties(std::string_view text) {
  TableProperties properties;
  while (!text.empty()) {
    const std::string logical = take_logical_line(text);
    std::string_view line = logical;
    if (line.empty() || line[0] == '#' || line[0] == '!') continue;
    std::string key;
    std::string value;
    while (!line.empty() && line[0] != '=' && line[0] != ':' && !is_blank(line[0]))
      WEIR_TRY(take_character(line, key));
    line = without_leading_blanks(line);
    if (!line.empty() && (line[0] == '=' || line[0] == ':'))
      line = without_leading_blanks(line.substr(1));
    while (!line.empty()) WEIR_TRY(take_character(line, value));
    properties.insert_or_assign(std::move(key), std::move(value));
  }
  return properties;
}

std::string format_properties(const TableProperties& properties) {
  std::string text = "#Properties of an Apache Hudi table, written by weir\n";
  for (const auto& [key, value] : properties) {
    append_escaped(text, key, true);
    text += '=';
    append_escaped(text, value, false);
    text += '\n';
  }
  return text;
}

std::string property_or(const TableProperties& properties, std::string_view key,
                        std::string_view otherwise) {
  const auto found = properties.find(std::string(key));
  return found == properties.end() ? std::string(otherwise) : found->second;
}

std::string checksum_of(const TableProperties& properties) {
  return fmt::format("{}", crc32(property_or(properties, "hoodie.database.name", "") + "." +
                                 property_or(properties, "hoodie.table.name", "")));
}

std::string sanitised_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool is_plain =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    out += is_plain ? c : '_';
  }
  // Avro's record names must not start with a digit.
  if (out.empty() || (out[0] >= '0' && out[0] <= '9')) out.insert(0, 1, '_');
  return out;
}

Result<TableProperties> properties_of_new_table(const TableOptions& options) {
  WEIR_TRY(check_key_columns(options));
  const std::string name = sanitised_name(options.name);
  TableProperties properties = {
      {"hoodie.table.name", name},
      {"hoodie.table.type", "COPY_ON_WRITE"},
      {"hoodie.table.version", "6"},
      {"hoodie.timeline.layout.version", "1"},
      {"hoodie.table.base.file.format", "PARQUET"},
      {"hoodie.table.recordkey.fields", joined(options.record_key)},
      {"hoodie.table.partition.fields", joined(options.partition_by)},
      {"hoodie.table.timeline.timezone", "UTC"},
      {"hoodie.table.keygenerator.class", key_generator(options)},
      {"hoodie.table.cdc.enabled", "false"},
      {"hoodie.archivelog.folder", "archived"},
      {"hoodie.datasource.write.hive_style_partitioning", "true"},
      // Else a value with a '/' in it would be a folder more.
      {"hoodie.datasource.write.partitionpath.urlencode",
       options.partition_by.empty() ? "false" : "true"},
      {"hoodie.datasource.write.drop.partition.columns", "false"},
      {"hoodie.partition.metafile.use.base.format", "false"},
      {"hoodie.populate.meta.fields", "true"},
      // Hudi 0.15 and 1.2 pick different winners among equal keys where this is not said.
      {"hoodie.compaction.payload.class",
       "org.apache.hudi.common.model.DefaultHoodieRecordPayload"},
      // Spark merges these under a job's options: no silent upgrade to version 9, no metadata
      // table.
      {"hoodie.write.table.version", "6"},
      {"hoodie.write.auto.upgrade", "false"},
      {"hoodie.metadata.enable", "false"},
      {std::string(kOwnerProperty), std::string(kOwnerName)},
  };
  if (!options.ordering_field.empty())
    properties["hoodie.table.precombine.field"] = options.ordering_field;
  if (!options.schema.empty()) {
    WEIR_ASSIGN(properties["hoodie.table.create.schema"],
                avro_schema_text(name, options.schema, MetaColumns::kLeftOut));
  }
  for (const auto& [key, value] : options.extra_properties) properties.insert_or_assign(key, value);
  properties["hoodie.table.checksum"] = checksum_of(properties);
  return properties;
}

namespace {

constexpr std::string_view kReadElsewhere =
    "read the table with Spark and export it, or rewrite it as such a table";

/// kUnsupported, naming the property, unless its value is among those wanted.
Status check_one_of(const TableProperties& properties, std::string_view key,
                    std::string_view otherwise, const std::vector<std::string_view>& wanted,
                    std::string_view hint = kReadElsewhere) {
  const std::string value = property_or(properties, key, otherwise);
  for (const auto each : wanted) {
    if (value == each) return {};
  }
  return fail_with_hint(ErrorCode::kUnsupported,
                        fmt::format("{}: {} is '{}', weir handles {}", kPropertiesFile, key,
                                    value.empty() ? "absent" : value, fmt::join(wanted, ", ")),
                        std::string(hint));
}

Status check_empty(const TableProperties& properties, std::string_view key, std::string_view hint) {
  const std::string value = property_or(properties, key, "");
  if (value.empty()) return {};
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format("{}: {} is '{}', weir handles none", kPropertiesFile, key, value),
      std::string(hint));
}

Status check_timeline(const TableProperties& properties) {
  const std::string version = property_or(properties, "hoodie.table.version", "");
  WEIR_TRY(check_one_of(properties, "hoodie.timeline.layout.version", version == "6" ? "1" : "",
                        {version == "6" ? "1" : "2"}));
  for (const auto key :
       {"hoodie.timeline.path", "hoodie.timeline.history.path", "hoodie.archivelog.folder"}) {
    const std::string path = property_or(properties, key, "timeline");
    if (!storage::check_object_name(path))
      return fail(ErrorCode::kCorrupt, "{}: {} is '{}', which is no folder", kPropertiesFile, key,
                  path);
  }
  return {};
}

}  // namespace

Status check_readable(const TableProperties& properties) {
  WEIR_TRY(check_one_of(
      properties, "hoodie.table.type", "", {"COPY_ON_WRITE"},
      "a merge-on-read table's newest rows stand in log files: read it with Spark, which merges "
      "them, and write it out as a copy-on-write table"));
  WEIR_TRY(check_one_of(properties, "hoodie.table.version", "", {"6", "8", "9"}));
  WEIR_TRY(check_timeline(properties));
  WEIR_TRY(check_one_of(properties, "hoodie.table.base.file.format", "PARQUET", {"PARQUET"}));
  WEIR_TRY(check_one_of(properties, "hoodie.table.multiple.base.file.formats.enable", "false",
                        {"false"}));
  WEIR_TRY(check_one_of(properties, "hoodie.table.format", "native", {"native"}));
  WEIR_TRY(check_one_of(properties, "hoodie.populate.meta.fields", "true", {"true"}));
  WEIR_TRY(check_empty(properties, "hoodie.bootstrap.base.path",
                       "the rows of a bootstrapped table stand elsewhere: read it with Spark"));
  const auto stored = properties.find("hoodie.table.checksum");
  if (stored != properties.end() && stored->second != checksum_of(properties))
    return fail(ErrorCode::kCorrupt, "{}: hoodie.table.checksum is {}, the table's name gives {}",
                kPropertiesFile, stored->second, checksum_of(properties));
  return {};
}

Status check_writable(const TableProperties& properties) {
  WEIR_TRY(check_readable(properties));
  static constexpr std::string_view kHint =
      "weir reads such a table; to write, make a new one of version 6 from it";
  WEIR_TRY(check_one_of(properties, "hoodie.table.version", "", {"6"}, kHint));
  WEIR_TRY(check_one_of(properties, "hoodie.datasource.write.drop.partition.columns", "false",
                        {"false"}, kHint));
  const std::string index = property_or(properties, "hoodie.index.type", "");
  if (index == "BUCKET" || properties.contains("hoodie.bucket.index.num.buckets"))
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("{}: hoodie.index.type is '{}'; rows of a bucket table must lie where its hash "
                    "says, which weir does not do",
                    kPropertiesFile, index.empty() ? "BUCKET, by its number of buckets" : index),
        "write this table with Spark, or copy it into a table without that index");
  return {};
}

}  // namespace weir::table
