#include "base/result.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "base/printable.h"

namespace weir {
namespace {

struct CodeFacts {
  ErrorCode code;
  std::string_view text;
  int exit;
  bool retried;
};

constexpr std::array kFacts = {
    CodeFacts{ErrorCode::kInvalidConfig, "invalid_config", 2, false},
    CodeFacts{ErrorCode::kUnsupported, "unsupported", 2, false},
    CodeFacts{ErrorCode::kInvalidData, "invalid_data", 3, false},
    CodeFacts{ErrorCode::kCheckFailed, "check_failed", 3, false},
    CodeFacts{ErrorCode::kSchemaDrift, "schema_drift", 4, false},
    CodeFacts{ErrorCode::kUnavailable, "unavailable", 75, true},
    CodeFacts{ErrorCode::kConflict, "conflict", 75, true},
    CodeFacts{ErrorCode::kResourceExhausted, "resource_exhausted", 75, true},
    CodeFacts{ErrorCode::kOutcomeUnknown, "outcome_unknown", 75, true},
    CodeFacts{ErrorCode::kCancelled, "cancelled", 130, false},
    CodeFacts{ErrorCode::kNotFound, "not_found", 1, false},
    CodeFacts{ErrorCode::kAlreadyExists, "already_exists", 1, false},
    CodeFacts{ErrorCode::kDenied, "denied", 1, false},
    CodeFacts{ErrorCode::kCorrupt, "corrupt", 1, false},
    CodeFacts{ErrorCode::kInternal, "internal", 1, false},
};

const CodeFacts& facts(ErrorCode code) {
  const auto* found = std::ranges::find(kFacts, code, &CodeFacts::code);
  WEIR_CHECK(found != kFacts.end());
  return *found;
}

}  // namespace

std::string_view to_text(ErrorCode code) { return facts(code).text; }

std::optional<ErrorCode> error_code_from_text(std::string_view text) {
  const auto* found = std::ranges::find(kFacts, text, &CodeFacts::text);
  if (found == kFacts.end()) return std::nullopt;
  return found->code;
}

const std::vector<ErrorCode>& all_error_codes() {
  static const std::vector<ErrorCode> kAll = [] {
    std::vector<ErrorCode> codes;
    for (const auto& fact : kFacts) codes.push_back(fact.code);
    return codes;
  }();
  return kAll;
}

int exit_status(ErrorCode code) { return facts(code).exit; }

bool is_retried(ErrorCode code) { return facts(code).retried; }

Error Error::while_doing(std::string step) && {
  trail.push_back(std::move(step));
  return std::move(*this);
}

Error Error::with_hint(std::string text) && {
  hint = std::move(text);
  return std::move(*this);
}

Error Error::at(Place where) && {
  place = std::move(where);
  return std::move(*this);
}

std::string to_line(const Error& error) {
  std::string line = fmt::format("{}: {}", to_text(error.code), error.message);
  if (error.place) {
    line += fmt::format(" at {}", error.place->file);
    if (error.place->line > 0) line += fmt::format(":{}", error.place->line);
    if (error.place->column > 0) line += fmt::format(":{}", error.place->column);
  }
  for (const auto& step : error.trail) line += fmt::format(", while {}", step);
  if (!error.hint.empty()) line += fmt::format(" | hint: {}", error.hint);
  return line;
}

std::string to_terminal(const Error& error) {
  std::string text = fmt::format("error: {}\n", printable(error.message));
  if (error.place) {
    const Place& place = *error.place;
    std::string head = fmt::format("  {}", printable(place.file));
    if (place.line > 0) head += fmt::format(":{}", place.line);
    if (place.line > 0 && place.column > 0) head += fmt::format(":{}", place.column);
    head += ":  ";
    std::string shown = printable(place.text);
    std::ranges::replace(shown, '\t', ' ');  // the marks count characters
    text += head + shown + "\n";
    if (!place.text.empty() && place.column > 0) {
      const auto indent = head.size() + static_cast<size_t>(place.column - 1);
      text += std::string(indent, ' ') +
              std::string(static_cast<size_t>(std::max<int64_t>(1, place.length)), '^') + "\n";
    }
  }
  for (const auto& step : error.trail) text += fmt::format("  while {}\n", printable(step));
  if (!error.hint.empty()) text += fmt::format("  help: {}\n", printable(error.hint));
  return text;
}

namespace internal {
void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "weir: broken invariant %s at %s:%d\n", condition, file, line);
  std::abort();
}
}  // namespace internal

}  // namespace weir
