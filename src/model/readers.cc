#include "model/readers.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "base/nearest.h"

namespace weir::model {
namespace {

constexpr std::array kAll = {Reader::kSpectrum, Reader::kAthena, Reader::kSpark015,
                             Reader::kSpark1};

// Bytes of a name. Redshift: "Names and identifiers"; Athena's tables stand in the Glue Data
// Catalog, whose API takes column names of up to 255 (Column.Name). Spark has no bound.
constexpr size_t kSpectrumName = 127;
constexpr size_t kGlueName = 255;

size_t longest_name(Reader reader) {
  switch (reader) {
    case Reader::kSpectrum: return kSpectrumName;
    case Reader::kAthena: return kGlueName;
    case Reader::kSpark015:
    case Reader::kSpark1: break;
  }
  return std::string::npos;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + ('a' - 'A')) : letter;
  });
  return text;
}

bool is_nested(TypeKind kind) {
  return kind == TypeKind::kList || kind == TypeKind::kStruct || kind == TypeKind::kMap;
}

class Check {
 public:
  explicit Check(Reader reader) : reader_(reader) {}

  Status columns(const Schema& columns, const std::string& within) {
    // Hive's catalogs, which all of them stand on, keep names in small letters; Spark looks them up
    // so (spark.sql.caseSensitive=false).
    std::map<std::string, std::string> seen;
    for (const auto& column : columns) {
      const std::string path = within + column.name;
      const auto [other, is_new] = seen.emplace(lower(column.name), column.name);
      if (!is_new)
        return refuse(
            path,
            fmt::format("differs from '{}' only in the case of letters", within + other->second),
            "give one of them another name");
      if (column.name.size() > longest_name(reader_))
        return refuse(path,
                      fmt::format("has a name of {} bytes, and {} is the most", column.name.size(),
                                  longest_name(reader_)),
                      "give it a shorter name");
      WEIR_TRY(type(column.type, path));
    }
    return {};
  }

 private:
  Status type(const DataType& type, const std::string& path) {
    // Spark has no type for a time of day (SchemaConverters refuses time-micros), nor has Hive's
    // DDL, by which Athena and Spectrum declare external tables.
    if (type.kind == TypeKind::kTime)
      return refuse(path, "is a time of day, for which it has no type",
                    "write it as text, or as a bigint of microseconds");
    // Hive's and Parquet's maps with keys that are no plain values are read by none of them.
    if (type.kind == TypeKind::kMap && is_nested(type.children.front().type.kind))
      return refuse(path, "is a map whose keys are not plain values",
                    "write it as a list of structs");
    if (type.kind == TypeKind::kStruct) return columns(type.children, path + ".");
    for (const auto& child : type.children)
      WEIR_TRY(this->type(child.type, path + "." + child.name));
    return {};
  }

  std::unexpected<Error> refuse(const std::string& path, const std::string& why,
                                const std::string& way_out) const {
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("reader '{}' cannot read column '{}': it {}", to_text(reader_), path, why),
        fmt::format("{}; or take that reader out of the dataset's options", way_out));
  }

  Reader reader_;
};

}  // namespace

std::string_view to_text(Reader reader) {
  switch (reader) {
    case Reader::kSpectrum: return "spectrum";
    case Reader::kAthena: return "athena";
    case Reader::kSpark015: return "spark-0.15";
    case Reader::kSpark1: return "spark-1.x";
  }
  return "spark-1.x";
}

Result<std::vector<Reader>> readers_of(const Json& options) {
  std::vector<Reader> readers;
  if (!options.is_object() || !options.contains("reader")) return readers;
  const Json& value = options["reader"];
  const Json words = value.is_array() ? value : Json::array({value});
  for (const Json& word : words) {
    const std::string text = word.is_string() ? word.get<std::string>() : dump_json(word);
    if (text == "any") {
      readers.assign(kAll.begin(), kAll.end());
      continue;
    }
    const auto found = std::ranges::find(kAll, text, [](Reader each) { return to_text(each); });
    if (found == kAll.end())
      return fail_with_hint(
          ErrorCode::kInvalidConfig, fmt::format("there is no reader '{}'", text),
          did_you_mean(text, {"any", "spectrum", "athena", "spark-0.15", "spark-1.x"}));
    if (std::ranges::find(readers, *found) == readers.end()) readers.push_back(*found);
  }
  return readers;
}

Status check_readable_by(const std::vector<Reader>& readers, const Schema& columns) {
  for (const Reader reader : readers) WEIR_TRY(Check(reader).columns(columns, ""));
  return {};
}

}  // namespace weir::model
