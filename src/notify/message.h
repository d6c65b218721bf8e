#pragma once

/// What a message says: its fields, templates over them, and the usual words for somebody who was
/// woken at night.

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::notify {

struct Field {
  std::string_view name;
  std::string_view doc;
};
/// Those that templates may name.
const std::vector<Field>& message_fields();

/// kInvalidConfig for `{{ name }}` where there is no such field, with did-you-mean, and for one
/// that does not end.
Status check_template(std::string_view text);

enum class Escape {
  kNone,
  kJson,  ///< As within the quotes of a JSON string.
};
/// The text with each `{{ name }}` replaced by that field; nothing where it is not there.
std::string render(std::string_view text, const Json& fields, Escape escape);

/// One short line: what, where, why.
std::string usual_subject(const Json& fields);
/// What happened, what to do, then the rest.
std::string usual_body(const Json& fields);

}  // namespace weir::notify
