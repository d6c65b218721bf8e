#include "base/pattern.h"
#include "base/glob.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace weir {

struct Pattern::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  ~Code() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
};

namespace {

constexpr uint32_t kMatchLimit = 1'000'000;

std::string pcre_message(int code) {
  std::string text(256, '\0');
  const int size =
      pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR*>(text.data()), text.size());
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

std::vector<std::string> names_of(const pcre2_code* code) {
  uint32_t count = 0;
  uint32_t entry_size = 0;
  PCRE2_SPTR table = nullptr;
  pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
  pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
  pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, static_cast<void*>(&table));
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i)
    names.emplace_back(reinterpret_cast<const char*>(table + i * entry_size + 2));
  return names;
}

}  // namespace

Result<Pattern> Pattern::compile(std::string_view expression) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                             PCRE2_UTF, &error, &offset, nullptr);
  if (code->code == nullptr)
    return fail(ErrorCode::kInvalidConfig, "pattern '{}' is broken at offset {}: {}", expression,
                offset, pcre_message(error));
  code->context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(code->context, kMatchLimit);
  Pattern pattern;
  pattern.group_names_ = names_of(code->code);
  pattern.code_ = std::move(code);
  return pattern;
}

Result<std::optional<std::map<std::string, std::string>>> Pattern::find(
    std::string_view text) const {
  auto* match = pcre2_match_data_create_from_pattern(code_->code, nullptr);
  const int count = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                0, 0, match, code_->context);
  std::optional<std::map<std::string, std::string>> groups;
  if (count > 0) {
    groups.emplace();
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match);
    for (const auto& name : group_names_) {
      const int number =
          pcre2_substring_number_from_name(code_->code, reinterpret_cast<PCRE2_SPTR>(name.c_str()));
      if (number <= 0 || number >= count) continue;
      const PCRE2_SIZE* from = ends + size_t{2} * static_cast<size_t>(number);
      if (*from == PCRE2_UNSET) continue;
      (*groups)[name] = std::string(text.substr(*from, from[1] - *from));
    }
  }
  pcre2_match_data_free(match);
  if (count < 0 && count != PCRE2_ERROR_NOMATCH)
    return fail(
        count == PCRE2_ERROR_MATCHLIMIT ? ErrorCode::kResourceExhausted : ErrorCode::kInvalidData,
        "pattern did not run on '{}': {}", text, pcre_message(count));
  return groups;
}

namespace {

/// The regular expression that a glob means.
std::string expression_of(std::string_view glob) {
  constexpr std::string_view kSpecial = R"(\.+^$()|)";
  std::string expression = "^";
  int open_braces = 0;
  for (size_t i = 0; i < glob.size(); ++i) {
    const char c = glob[i];
    if (c == '*' && i + 1 < glob.size() && glob[i + 1] == '*') {
      ++i;
      const bool takes_slash = i + 1 < glob.size() && glob[i + 1] == '/';
      if (takes_slash) ++i;
      expression += takes_slash ? "(?:.*/)?" : ".*";
    } else if (c == '*') {
      expression += "[^/]*";
    } else if (c == '?') {
      expression += "[^/]";
    } else if (c == '{') {
      ++open_braces;
      expression += "(?:";
    } else if (c == '}' && open_braces > 0) {
      --open_braces;
      expression += ")";
    } else if (c == ',' && open_braces > 0) {
      expression += "|";
    } else if (c == '[') {
      const auto end = glob.find(']', i + 2);
      if (end == std::string_view::npos) {
        expression += "\\[";
        continue;
      }
      std::string set(glob.substr(i + 1, end - i - 1));
      if (set.starts_with('!')) set[0] = '^';
      expression += "[" + set + "]";
      i = end;
    } else {
      if (kSpecial.find(c) != std::string_view::npos || c == ']' || c == '}') expression += '\\';
      expression += c;
    }
  }
  return expression + "\\z";
}

}  // namespace

Result<Glob> Glob::compile(std::string_view glob) {
  WEIR_ASSIGN(auto pattern, Pattern::compile("(?s)" + expression_of(glob)));
  return Glob(std::move(pattern));
}

Result<bool> Glob::matches(std::string_view name) const {
  WEIR_ASSIGN(const auto found, pattern_.find(name));
  return found.has_value();
}

Result<bool> glob_matches(std::string_view glob, std::string_view name) {
  WEIR_ASSIGN(const auto compiled, Glob::compile(glob));
  return compiled.matches(name);
}

std::string glob_of_name(std::string_view name) {
  std::string glob;
  for (const char c : name) {
    const bool is_special = std::string_view("*?[]{}\\").contains(c);
    glob += is_special ? fmt::format("[{}]", c) : std::string(1, c);
  }
  return glob;
}

std::string glob_prefix(std::string_view glob) {
  return std::string(glob.substr(0, glob.find_first_of("*?[{")));
}

}  // namespace weir
