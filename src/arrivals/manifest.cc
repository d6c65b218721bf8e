#include "arrivals/manifest.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/json.h"
#include "base/option_reader.h"
#include "base/printable.h"
#include "storage/storage.h"

namespace weir::arrivals {
namespace {

constexpr size_t kMostFiles = 100'000;
constexpr std::string_view kHint =
    R"(a manifest is JSON, {"files": [{"name": "a.csv", "size": 12, "sha256": "…"}]}, or a text )"
    "with one name a line, as sha256sum writes it";

std::unexpected<Error> refuse(std::string message) {
  return fail_with_hint(ErrorCode::kInvalidData, std::move(message), std::string(kHint));
}

bool is_hash(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string lower(std::string_view text) {
  std::string made(text);
  std::ranges::transform(made, made.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return made;
}

Status check(const Listed& file) {
  if (const auto good = storage::check_object_name(file.name); !good)
    return refuse(
        fmt::format("'{}' is no name of a file below the manifest's folder", printable(file.name)));
  if (!file.sha256.empty() && !is_hash(file.sha256))
    return refuse(
        fmt::format("'{}': '{}' is no SHA-256", printable(file.name), printable(file.sha256)));
  return {};
}

Result<Listed> listed(const Json& json) {
  Listed file;
  if (json.is_string()) {
    file.name = json.get<std::string>();
  } else if (json.is_object()) {
    for (const char* word : {"name", "file", "path"})
      if (file.name.empty() && json.value(word, Json()).is_string())
        file.name = json.at(word).get<std::string>();
    for (const char* word : {"size", "size_bytes", "bytes"}) {
      if (!json.contains(word)) continue;
      file.size_bytes = whole_number(json.at(word));
      if (!file.size_bytes)
        return refuse(fmt::format("'{}': {} is no size", printable(file.name),
                                  printable(dump_json(json.at(word)))));
    }
    if (json.value("sha256", Json()).is_string())
      file.sha256 = lower(json.at("sha256").get<std::string>());
  }
  WEIR_TRY(check(file));
  return file;
}

Result<Manifest> from_json(const Json& json) {
  Manifest manifest;
  const Json files = json.is_array() ? json : json.value("files", Json());
  if (json.is_object() && json.contains("count")) {
    manifest.count = whole_number(json.at("count"));
    if (!manifest.count || *manifest.count < 0)
      return refuse(fmt::format("{} is no count", printable(dump_json(json.at("count")))));
  }
  if (files.is_null() && !manifest.count) return refuse("it has neither 'files' nor 'count'");
  if (!files.is_null() && !files.is_array()) return refuse("'files' is no list");
  for (const Json& each : files) {
    WEIR_ASSIGN(auto file, listed(each));
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  return text;
}

Result<Manifest> from_lines(std::string_view text) {
  Manifest manifest;
  int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault == std::errc() && end == text.data() + text.size() && number >= 0) {
    manifest.count = number;
    return manifest;
  }
  while (!text.empty()) {
    const auto newline = text.find('\n');
    std::string_view line = trimmed(text.substr(0, newline));
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (line.empty() || line.starts_with('#')) continue;
    Listed file;
    if (line.size() > 65 && is_hash(line.substr(0, 64)) && (line[64] == ' ' || line[64] == '\t')) {
      file.sha256 = lower(line.substr(0, 64));
      line = trimmed(line.substr(64));
      if (line.starts_with('*')) line.remove_prefix(1);  // of a binary file
    }
    if (line.starts_with("./")) line.remove_prefix(2);
    file.name = std::string(line);
    WEIR_TRY(check(file));
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

}  // namespace

Result<Manifest> read_manifest(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text = trimmed(text);
  Result<Manifest> manifest = Manifest{};
  if (text.starts_with('{') || text.starts_with('[')) {
    WEIR_ASSIGN(const Json json, parse_json(text));
    manifest = from_json(json);
  } else if (!text.empty()) {
    manifest = from_lines(text);
  }
  if (manifest && manifest->files.size() > kMostFiles)
    return refuse(fmt::format("it lists more than {} files", kMostFiles));
  return manifest;
}

}  // namespace weir::arrivals
