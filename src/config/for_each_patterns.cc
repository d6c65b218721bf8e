#include "config/for_each_patterns.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "base/option_reader.h"
#include "config/for_each.h"
#include "model/file_trigger.h"

namespace weir::config {
namespace {

constexpr const char* kTablesHint = R"(write tables: {connection: shop, like: "public.*"})";
constexpr const char* kFilesHint = "write files: landing/dump/*.csv";

std::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(message), std::move(hint));
}

Result<std::vector<std::string>> texts_of(const Json& value, const std::string& what) {
  if (value.is_string()) return std::vector{value.get<std::string>()};
  std::vector<std::string> texts;
  if (value.is_array())
    for (const auto& item : value)
      if (item.is_string()) texts.push_back(item.get<std::string>());
  if (!value.is_array() || texts.size() != value.size())
    return refuse(fmt::format("'{}' is {}", what, dump_json(value)), "write patterns");
  return texts;
}

Result<TablePattern> read_tables(const Json& tables) {
  if (!tables.is_object())
    return refuse(fmt::format("'tables' is {}", dump_json(tables)), kTablesHint);
  WEIR_TRY(check_for_each_keys(tables, {"connection", "like", "except", "views"}));
  TablePattern pattern;
  const Json connection = tables.value("connection", Json());
  if (!connection.is_string() || connection == "")
    return refuse("'tables' names no connection", kTablesHint);
  pattern.connection = connection.get<std::string>();
  WEIR_ASSIGN(pattern.like, texts_of(tables.value("like", Json::array()), "like"));
  if (pattern.like.empty()) return refuse("'tables' has no 'like'", kTablesHint);
  WEIR_ASSIGN(pattern.except, texts_of(tables.value("except", Json::array()), "except"));
  for (const auto* globs : {&pattern.like, &pattern.except})
    for (const auto& glob : *globs) {
      WEIR_TRY(glob_matches(glob, ""));
    }
  const Json views = tables.value("views", Json(false));
  if (!views.is_boolean())
    return refuse(fmt::format("'views' is {}", dump_json(views)), "write true or false");
  pattern.takes_views = views.get<bool>();
  return pattern;
}

/// `landing/dump/*.csv`, `${trigger.files}` or `${trigger.files:-landing/dump/*.csv}`
Status take_pattern(std::string text, FilePattern& pattern) {
  if (text.starts_with("${trigger.") && text.find('}') == text.size() - 1) {
    WEIR_ASSIGN(pattern.of_trigger, read_run_reference(text.substr(2, text.size() - 3)));
    if (pattern.of_trigger->name.starts_with("trigger.key."))
      return refuse(fmt::format("'{}' is no file", text), "write ${trigger.files}");
    text = pattern.of_trigger->otherwise.value_or("");
    if (text.empty()) return {};
  }
  pattern.pattern = std::move(text);
  if (pattern.pattern.contains("${")) return {};
  WEIR_ASSIGN(const auto parts, model::split_glob(pattern.pattern));
  WEIR_TRY(glob_matches(parts.second, ""));
  return {};
}

Status take_key(const std::string& text, FilePattern& pattern) {
  WEIR_ASSIGN(pattern.key, Pattern::compile(text));
  if (pattern.key->group_names().empty())
    return refuse(fmt::format("key '{}' has no named group", text),
                  R"(name the part that counts: '(?<table>[a-z_]+)-\d+')");
  const auto& groups = pattern.key->group_names();
  for (const std::string taken : {"id", "file", "name", "stem"})
    if (std::ranges::find(groups, taken) != groups.end())
      return refuse(fmt::format("a group of the key cannot be called '{}'", taken),
                    "every file has a field of that name");
  return {};
}

Result<FilePattern> read_files(const Json& files) {
  const Json map = files.is_string() ? Json{{"pattern", files}} : files;
  if (!map.is_object()) return refuse(fmt::format("'files' is {}", dump_json(files)), kFilesHint);
  WEIR_TRY(check_for_each_keys(map, {"pattern", "key", "max_files", "if_none"}));
  FilePattern pattern;
  const Json text = map.value("pattern", Json());
  if (!text.is_string() || text == "") return refuse("'files' has no 'pattern'", kFilesHint);
  WEIR_TRY(take_pattern(text.get<std::string>(), pattern));
  if (const Json key = map.value("key", Json()); key.is_string()) {
    WEIR_TRY(take_key(key.get<std::string>(), pattern));
  } else if (!key.is_null()) {
    return refuse(fmt::format("'key' is {}", dump_json(key)), "write a regular expression");
  }
  const Json most = map.value("max_files", Json(pattern.max_files));
  const auto max_files = whole_number(most);
  if (!max_files || *max_files < 1 || *max_files > kMostEachValues)
    return refuse(fmt::format("'max_files' is {}", dump_json(most)),
                  fmt::format("write a number from 1 to {}", kMostEachValues));
  pattern.max_files = *max_files;
  const Json word = map.value("if_none", Json("succeed"));
  if (word != "succeed" && word != "skip" && word != "fail")
    return refuse(fmt::format("'if_none' is {}", dump_json(word)), "write succeed, skip or fail");
  if (word == "skip") pattern.if_none = IfNone::kSkip;
  if (word == "fail") pattern.if_none = IfNone::kFail;
  return pattern;
}

/// The list of that kind, of a task that has it directly.
const Json* list_of(const model::Task& task, const char* kind) {
  if (!task.for_each.is_object()) return nullptr;
  const auto found = task.for_each.find(kind);
  return found == task.for_each.end() ? nullptr : &*found;
}

/// A glob's `*` stops at '/', which a table's name may have.
std::string without_slash(std::string text) {
  std::ranges::replace(text, '/', '\x1f');
  return text;
}

/// Where the part of the names begins that differs: `landing/dump/` of `landing/dump/*.csv`.
size_t length_of_folder(const FilePattern& pattern, const std::string& file) {
  if (pattern.of_trigger) return file.find('/') + 1;
  const auto slash = pattern.pattern.find('/') + 1;
  const std::string fixed = glob_prefix(std::string_view(pattern.pattern).substr(slash));
  return slash + fixed.rfind('/') + 1;  // npos + 1 is 0
}

}  // namespace

Status check_for_each_keys(const Json& map, const std::vector<std::string>& known) {
  for (const auto& [name, value] : map.items())
    if (std::ranges::find(known, name) == known.end()) {
      const std::string guess = did_you_mean(name, known);
      return refuse(fmt::format("for_each has no '{}'", name),
                    guess.empty() ? fmt::format("it takes: {}", fmt::join(known, ", ")) : guess);
    }
  return {};
}

Result<std::optional<TablePattern>> table_pattern(const model::Task& task) {
  const Json* tables = list_of(task, "tables");
  if (tables == nullptr) return std::nullopt;
  WEIR_ASSIGN(auto pattern, read_tables(*tables));
  return pattern;
}

Result<std::optional<FilePattern>> file_pattern(const model::Task& task) {
  const Json* files = list_of(task, "files");
  if (files == nullptr) return std::nullopt;
  WEIR_ASSIGN(auto pattern, read_files(*files));
  return pattern;
}

bool is_meant(const TablePattern& pattern, const std::string& table) {
  const auto fits = [&](const std::string& glob) {
    return glob == table || glob_matches(without_slash(glob), without_slash(table)).value_or(false);
  };
  return std::ranges::any_of(pattern.like, fits) && !std::ranges::any_of(pattern.except, fits);
}

Result<std::optional<Json>> each_of_file(const FilePattern& pattern, const std::string& file) {
  Json value = {{"file", file}};
  if (pattern.key) {
    WEIR_ASSIGN(const auto groups, pattern.key->find(file.substr(file.find('/') + 1)));
    if (!groups) return std::nullopt;
    for (const auto& [group, text] : *groups) value[group] = text;
  }
  const std::string name = file.substr(file.rfind('/') + 1);
  const auto dot = name.rfind('.');
  value["id"] = label_of_text(file.substr(length_of_folder(pattern, file)));
  value["name"] = name;
  value["stem"] = dot == 0 ? name : name.substr(0, dot);
  return value;
}

std::string words_of(const FilePattern& pattern) {
  return pattern.of_trigger ? fmt::format("${{{}}}", pattern.of_trigger->words) : pattern.pattern;
}

std::string refusal_of(const FilePattern& pattern, size_t count) {
  const std::string words = words_of(pattern);
  if (count > static_cast<size_t>(pattern.max_files))
    return fmt::format("'{}' finds more files than {}", words, pattern.max_files);
  if (count == 0 && pattern.if_none == IfNone::kFail)
    return fmt::format("no file fits '{}'", words);
  return {};
}

}  // namespace weir::config
