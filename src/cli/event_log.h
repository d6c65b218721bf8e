#pragma once

/// What happens to runs and tasks, as lines of a log that has fields.

#include <string_view>

#include "base/json_log.h"
#include "orchestrate/services.h"

namespace weir::cli {

/// The fields are those of the event, with the codes of errors; how far a task has come is no news.
void log_event(JsonLog& log, const orchestrate::Event& event);

/// A line of a task's process, whose log may be one for machines as well: with its own level,
/// message and fields then, else as the message. `about` says whose it is.
void relay_line(JsonLog& log, std::string_view line, const Json& about);

}  // namespace weir::cli
