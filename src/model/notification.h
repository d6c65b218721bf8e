#pragma once

/// Rules of notification: which ends of which flows are told where. Words and values only; who
/// raises events is orchestrate's business, how they are sent notify's.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::model {

struct NotificationRule {
  std::string rule_id;
  bool is_enabled = true;
  std::string channel;                  ///< A connection's id, or `log` where none is called so.
  std::vector<std::string> flows;       ///< Names or globs; empty: all.
  std::vector<std::string> tasks;       ///< The same; empty: all, and what is about no task.
  std::vector<std::string> events;      ///< Empty without severities: `failed`.
  std::vector<std::string> severities;  ///< In place of events: all of these.
  std::string subject;                  ///< With `{{ }}` fields; empty: the usual one.
  std::string body;
  std::string link;
  std::string every;  ///< `1h`, `5 per 1h`: at most so many of one event.
  std::optional<int64_t> dedup_ms;
  std::optional<int64_t> slow_after_ms;  ///< What `slow` means.
  bool operator==(const NotificationRule&) const = default;
};

/// The canonical JSON (defaults left out) and back. kInvalidConfig names a field that is none or
/// does not read.
Json to_json(const NotificationRule& rule);
Result<NotificationRule> notification_rule_from_json(const Json& json);

struct EventWord {
  std::string_view name;
  std::string_view severity;  ///< `error`, `warning`, `info`
};
/// What rules may name, the worst first.
const std::vector<EventWord>& event_words();
/// kInvalidConfig with did-you-mean.
Status check_event(std::string_view word);
Status check_severity(std::string_view word);
std::string_view severity_of(std::string_view event);

/// Whether the rule tells of the event, whatever the flow.
bool tells_of(const NotificationRule& rule, std::string_view event);

struct RateLimit {
  int64_t at_most = 0;  ///< 0: no limit.
  int64_t per_ms = 0;
};
/// `1h` is one an hour, `5 per 1h` five; empty: no limit. kInvalidConfig for anything else.
Result<RateLimit> parse_rate(std::string_view text);

}  // namespace weir::model
