#pragma once

/// A log for machines: one JSON object a line, with time, level and message, and what else the
/// caller knows.

#include <memory>

#include "base/json.h"
#include "base/log.h"

namespace weir {

class JsonLog : public Log {
 public:
  using Log::write;
  /// `fields` stand beside `time`, `level` and `message`, and do not replace them.
  virtual void write(LogLevel level, std::string_view message, const Json& fields) = 0;
  /// From now on every line has these fields too, whoever writes it.
  virtual void stamp(const Json& fields) = 0;
};

/// On stderr, from `least` on. Secrets are taken out of every text before it is encoded, and out
/// of the line as it stands (base/redact.h).
std::unique_ptr<JsonLog> make_json_log(LogLevel least);

}  // namespace weir
