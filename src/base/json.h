#pragma once

/// JSON values (nlohmann) behind Results: a fault is an Error that names the field, never an
/// exception. Objects keep their keys sorted by bytes, so `dump` of equal values is equal.

// The library's literals "…"_json are inline functions: every file that sees them instantiates the
// whole parser for them, a second each. Here they are only declared; nobody uses them.
#define JSON_USE_GLOBAL_UDLS 0
#define _json(text, size) \
  _json(text, size);      \
  template <int>          \
  json json_literal(text, size)
#define _json_pointer(text, size) \
  _json_pointer(text, size);      \
  template <int>                  \
  json::json_pointer json_pointer_literal(text, size)
#include <nlohmann/json.hpp>
#undef _json
#undef _json_pointer

#include "base/result.h"

namespace weir {

using Json = nlohmann::json;

/// kInvalidData with line and column where `text` is no JSON; nesting is limited to 256.
/// Duplicate keys of an object are refused.
Result<Json> parse_json(std::string_view text);

/// Compact text; invalid UTF-8 in a string becomes U+FFFD, so a message never fails to be written.
std::string dump_json(const Json& value);
/// The same with two spaces of indentation, for people.
std::string dump_json_pretty(const Json& value);

/// The field `key` of an object as T. kInvalidData, naming the field, where it is missing or of
/// another type. T is bool, int64_t, double, std::string, Json or a vector of std::string.
template <typename T>
Result<T> json_field(const Json& object, std::string_view key);

/// The same with a value for a field that is missing or null.
template <typename T>
Result<T> json_field_or(const Json& object, std::string_view key, T otherwise);

}  // namespace weir
