#include "sql/duckdb/handles.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "sql/duckdb/object_file_system.h"

namespace weir::sql {
namespace {

struct KnownError {
  duckdb_error_type type;
  std::string_view words;  ///< How the message of a failed prepare begins.
  ErrorCode code;
};

constexpr std::array kErrors = {
    KnownError{DUCKDB_ERROR_OUT_OF_RANGE, "Out of Range Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_CONVERSION, "Conversion Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_DECIMAL, "Decimal Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_DIVIDE_BY_ZERO, "Divide by Zero Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_MISMATCH_TYPE, "Mismatch Type Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_OBJECT_SIZE, "Object Size Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_CONSTRAINT, "Constraint Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_INVALID_INPUT, "Invalid Input Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_SEQUENCE, "Sequence Error", ErrorCode::kInvalidData},
    KnownError{DUCKDB_ERROR_OUT_OF_MEMORY, "Out of Memory Error", ErrorCode::kResourceExhausted},
    KnownError{DUCKDB_ERROR_IO, "IO Error", ErrorCode::kUnavailable},
    KnownError{DUCKDB_ERROR_HTTP, "HTTP Error", ErrorCode::kUnavailable},
    KnownError{DUCKDB_ERROR_NETWORK, "Network Error", ErrorCode::kUnavailable},
    KnownError{DUCKDB_ERROR_CONNECTION, "Connection Error", ErrorCode::kUnavailable},
    KnownError{DUCKDB_ERROR_INTERRUPT, "INTERRUPT Error", ErrorCode::kCancelled},
    KnownError{DUCKDB_ERROR_TRANSACTION, "TransactionContext Error", ErrorCode::kConflict},
    KnownError{DUCKDB_ERROR_PERMISSION, "Permission Error", ErrorCode::kDenied},
    KnownError{DUCKDB_ERROR_SERIALIZATION, "Serialization Error", ErrorCode::kCorrupt},
    KnownError{DUCKDB_ERROR_PARSER, "Parser Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_SYNTAX, "Syntax Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_BINDER, "Binder Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_CATALOG, "Catalog Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_PLANNER, "Planner Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_EXPRESSION, "Expression Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_INVALID_TYPE, "Invalid Type Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_UNKNOWN_TYPE, "Unknown Type Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_DEPENDENCY, "Dependency Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_SETTINGS, "Settings Error", ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_INVALID_CONFIGURATION, "Invalid Configuration Error",
               ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_PARAMETER_NOT_RESOLVED, "Parameter Not Resolved Error",
               ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_PARAMETER_NOT_ALLOWED, "Parameter Not Allowed Error",
               ErrorCode::kInvalidConfig},
    KnownError{DUCKDB_ERROR_NOT_IMPLEMENTED, "Not implemented Error", ErrorCode::kUnsupported},
    KnownError{DUCKDB_ERROR_MISSING_EXTENSION, "Missing Extension Error", ErrorCode::kUnsupported},
    KnownError{DUCKDB_ERROR_AUTOLOAD, "Extension Autoloading Error", ErrorCode::kUnsupported},
};

ErrorCode code_of(duckdb_error_type type, std::string_view message) {
  ErrorCode code = ErrorCode::kInternal;
  const auto found = std::ranges::find_if(kErrors, [&](const KnownError& known) {
    return type == DUCKDB_ERROR_INVALID ? message.starts_with(known.words) : type == known.type;
  });
  if (found != kErrors.end()) code = found->code;
  // One type of DuckDB's, several things that a caller can do.
  const auto says = [&](std::string_view words) {
    return message.find(words) != std::string_view::npos;
  };
  // Also where it tells of a failed commit.
  if (says("No space left") || says("max_temp_directory_size"))
    return ErrorCode::kResourceExhausted;
  if (code == ErrorCode::kUnavailable) {
    if (says("not a valid DuckDB database file") || says("Corrupt database file"))
      return ErrorCode::kCorrupt;
    if (says("Permission denied") || says("Read-only file system")) return ErrorCode::kDenied;
    if (says("Could not set lock") || says("already attached") || says("Unique file handle"))
      return ErrorCode::kConflict;
  }
  return code;
}

/// Where in the statement, out of DuckDB's picture of it: `LINE 3: …` and a `^` below the words.
/// The text of the place is the picture's, which leaves out parts of long lines.
std::optional<Place> place_in(std::string_view picture) {
  constexpr std::string_view kLine = "LINE ";
  const auto colon = picture.find(": ");
  const auto line_end = picture.find('\n');
  if (!picture.starts_with(kLine) || colon == std::string_view::npos) return std::nullopt;
  Place place;
  place.file = kStatement;
  const auto digits = picture.substr(kLine.size(), colon - kLine.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), place.line);
  place.text = picture.substr(colon + 2, line_end - std::min(line_end, colon + 2));
  if (line_end == std::string_view::npos) return place;
  const auto mark = picture.substr(line_end + 1).find('^');
  if (mark != std::string_view::npos && mark >= colon + 2)
    place.column = static_cast<int64_t>(mark - colon - 1);
  return place;
}

}  // namespace

std::string take_text(char* text) {
  if (text == nullptr) return {};
  std::string copy = text;
  duckdb_free(text);
  return copy;
}

Error engine_error(duckdb_error_type type, const char* message) {
  const std::string_view whole = message == nullptr ? "DuckDB gave no message" : message;
  if (auto of_store = unwrap_store_error(whole)) return *std::move(of_store);
  Error error{code_of(type, whole), std::string(whole), {}, {}, std::nullopt};
  const size_t picture = whole.find("\n\nLINE ");
  if (picture != std::string_view::npos) {
    error.message = whole.substr(0, picture);
    error.place = place_in(whole.substr(picture + 2));
  }
  for (const std::string_view advice : {"\nCandidate", "\nDid you mean", "\n\nPossible solution"}) {
    const auto start = error.message.find(advice);
    if (start == std::string::npos) continue;
    error.hint = error.message.substr(error.message.find_first_not_of('\n', start));
    error.message.resize(start);
    std::ranges::replace(error.hint, '\n', ' ');
  }
  std::ranges::replace(error.message, '\n', ' ');
  if (error.hint.empty() && whole.find("No space left") != std::string_view::npos)
    error.hint = "make room, then run again: nothing half-written is visible";
  return error;
}

Error engine_error(const Cancel& cancel, duckdb_error_type type, const char* message) {
  Error error = engine_error(type, message);
  if (const Status wish = cancel.check(); !wish && error.code == ErrorCode::kCancelled)
    return wish.error();
  return error;
}

}  // namespace weir::sql
