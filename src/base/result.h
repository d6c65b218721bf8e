#pragma once

/// How a function says that it failed: a value with a code that tells the caller what can be
/// done, a message that names the thing, a trail and a hint. Nothing throws across a function
/// boundary. This header knows nothing of logs, exits or the words of a particular module.

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace weir {

/// What the caller can do about a failure; where it came from belongs in the message.
/// The names are stored in `task_run.error_code`: never rename one.
enum class ErrorCode {
  kInvalidConfig,
  kUnsupported,  // exit 2: fix the configuration
  kInvalidData,
  kCheckFailed,  // exit 3: the data broke a rule
  kSchemaDrift,  // exit 4: the source broke its contract
  kUnavailable,
  kConflict,
  kResourceExhausted,  // exit 75: nothing happened, retry
  kOutcomeUnknown,     // exit 75: look by token, then retry
  kCancelled,          // exit 130
  kNotFound,
  kAlreadyExists,
  kDenied,
  kCorrupt,
  kInternal,  // exit 1
};

/// The stable text of a code, as stored in tables: `outcome_unknown`.
std::string_view to_text(ErrorCode code);

/// The code with that text, or nothing.
std::optional<ErrorCode> error_code_from_text(std::string_view text);

/// Every code, in the order of the table in the reference.
const std::vector<ErrorCode>& all_error_codes();

/// The exit status of a process that ends with this error.
int exit_status(ErrorCode code);

/// Whether a later attempt with the same input may succeed. kOutcomeUnknown is retried only after
/// a look by token; that look is part of every operation, so it counts as retried here.
bool is_retried(ErrorCode code);

/// Where in a user's file (or row) the fault stands.
struct Place {
  std::string file;    ///< Path as the user gave it, or `table <name>` for a row.
  int64_t line = 0;    ///< From 1; 0 where there is none.
  int64_t column = 0;  ///< From 1; 0 where there is none.
  std::string text;    ///< The whole line at fault, without its end; empty where unknown.
  int64_t length = 1;  ///< How many characters are at fault, for the marks under the line.
};

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;             ///< What failed, naming the thing: no period.
  std::vector<std::string> trail;  ///< What we were doing, innermost first.
  std::string hint;                ///< What the user can do, or empty.
  std::optional<Place> place;      ///< For faults in a user's file or row.

  /// The same error with one more step of the trail.
  Error while_doing(std::string step) &&;
  Error with_hint(std::string text) &&;
  Error at(Place where) &&;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

/// An error ready to be returned from any Result: `return fail(ErrorCode::kNotFound, "no {}", x);`
template <typename... Args>
[[nodiscard]] std::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format,
                                          Args&&... args) {
  return std::unexpected(
      Error{code, fmt::format(format, std::forward<Args>(args)...), {}, {}, std::nullopt});
}

/// The same with a hint.
[[nodiscard]] inline std::unexpected<Error> fail_with_hint(ErrorCode code, std::string message,
                                                           std::string hint) {
  return std::unexpected(Error{code, std::move(message), {}, std::move(hint), std::nullopt});
}

/// Adds a step to the trail of a failed result; a good one passes unchanged.
template <typename T>
[[nodiscard]] Result<T> while_doing(Result<T> result, std::string step) {
  if (!result) return std::unexpected(std::move(result).error().while_doing(std::move(step)));
  return result;
}

/// One line: `code: message (while a; while b) | hint: …`. For logs and tables, not for terminals.
std::string to_line(const Error& error);

/// What a person sees on a terminal: message, place with the words marked, trail and hint.
std::string to_terminal(const Error& error);

}  // namespace weir

#define WEIR_CONCAT_INNER(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_INNER(a, b)

/// Returns the error of a Status or Result from the enclosing function.
#define WEIR_TRY(...)                                                         \
  do {                                                                        \
    auto weir_status = (__VA_ARGS__);                                         \
    if (!weir_status) return std::unexpected(std::move(weir_status).error()); \
  } while (false)

/// Declares or assigns the value of a Result, or returns its error:
/// `WEIR_ASSIGN(const auto rows, count_rows(file));`
#define WEIR_ASSIGN(declaration, ...)                                               \
  auto WEIR_CONCAT(weir_result_, __LINE__) = (__VA_ARGS__);                         \
  if (!WEIR_CONCAT(weir_result_, __LINE__))                                         \
    return std::unexpected(std::move(WEIR_CONCAT(weir_result_, __LINE__)).error()); \
  declaration = *std::move(WEIR_CONCAT(weir_result_, __LINE__))
