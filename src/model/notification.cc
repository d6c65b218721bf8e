#include "model/notification.h"

#include <algorithm>
#include <charconv>

#include <fmt/ranges.h>

#include "base/instant.h"
#include "base/nearest.h"

namespace weir::model {
namespace {

constexpr std::string_view kPer = " per ";
constexpr int64_t kMostPerWindow = 1'000'000;

Result<std::vector<std::string>> texts(const Json& value) {
  if (value.is_string()) return std::vector<std::string>{value.get<std::string>()};
  std::vector<std::string> list;
  const bool is_list = value.is_array() && std::ranges::all_of(value, [](const Json& each) {
                         return each.is_string();
                       });
  if (!is_list) return fail(ErrorCode::kInvalidConfig, "{} is no list of texts", dump_json(value));
  for (const auto& each : value) list.push_back(each.get<std::string>());
  return list;
}

Result<std::string> text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return fail(ErrorCode::kInvalidConfig, "{} is no text", dump_json(value));
}

Result<std::optional<int64_t>> duration(const Json& value) {
  WEIR_ASSIGN(const std::string written, text(value));
  WEIR_ASSIGN(const int64_t duration_ms, parse_duration_ms(written));
  return std::optional(duration_ms);
}

template <typename T>
Status take(T& to, Result<T> value) {
  if (!value) return std::unexpected(std::move(value).error());
  to = *std::move(value);
  return {};
}

Status read_field(NotificationRule& rule, const std::string& name, const Json& value) {
  if (name == "rule_id") return take(rule.rule_id, text(value));
  if (name == "channel") return take(rule.channel, text(value));
  if (name == "flows") return take(rule.flows, texts(value));
  if (name == "tasks") return take(rule.tasks, texts(value));
  if (name == "events") return take(rule.events, texts(value));
  if (name == "severities") return take(rule.severities, texts(value));
  if (name == "subject") return take(rule.subject, text(value));
  if (name == "body") return take(rule.body, text(value));
  if (name == "link") return take(rule.link, text(value));
  if (name == "every") return take(rule.every, text(value));
  if (name == "dedup") return take(rule.dedup_ms, duration(value));
  if (name == "slow_after") return take(rule.slow_after_ms, duration(value));
  if (name == "is_enabled" && value.is_boolean()) {
    rule.is_enabled = value.get<bool>();
    return {};
  }
  static const std::vector<std::string> kNames = {
      "flows", "tasks", "severities", "subject", "body", "link", "every", "dedup", "slow_after"};
  return fail_with_hint(ErrorCode::kInvalidConfig, "it is not known", did_you_mean(name, kNames));
}

}  // namespace

Json to_json(const NotificationRule& rule) {
  Json json = Json::object();
  const auto add = [&](const char* name, const auto& value) {
    if (!value.empty()) json[name] = value;
  };
  add("rule_id", rule.rule_id);
  add("channel", rule.channel);
  add("flows", rule.flows);
  add("tasks", rule.tasks);
  add("events", rule.events);
  add("severities", rule.severities);
  add("subject", rule.subject);
  add("body", rule.body);
  add("link", rule.link);
  add("every", rule.every);
  if (rule.dedup_ms) json["dedup"] = format_duration_ms(*rule.dedup_ms);
  if (rule.slow_after_ms) json["slow_after"] = format_duration_ms(*rule.slow_after_ms);
  if (!rule.is_enabled) json["is_enabled"] = false;
  return json;
}

Result<NotificationRule> notification_rule_from_json(const Json& json) {
  NotificationRule rule;
  for (const auto& [name, value] : json.items()) {
    if (value.is_null()) continue;
    auto read = read_field(rule, name, value);
    if (read) continue;
    Error error = std::move(read).error();
    error.message = fmt::format("field '{}': {}", name, error.message);
    return std::unexpected(std::move(error));
  }
  return rule;
}

const std::vector<EventWord>& event_words() {
  static const std::vector<EventWord> kWords = {{"failed", "error"},   {"schema_drift", "error"},
                                                {"held", "warning"},   {"cancelled", "warning"},
                                                {"slow", "warning"},   {"late", "warning"},
                                                {"recovered", "info"}, {"succeeded", "info"}};
  return kWords;
}

Status check_event(std::string_view word) {
  std::vector<std::string> names;
  for (const auto& each : event_words()) {
    if (each.name == word) return {};
    names.emplace_back(each.name);
  }
  const std::string guess = did_you_mean(word, names);
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("unknown event '{}'", word),
                        guess.empty() ? fmt::format("events: {}", fmt::join(names, ", ")) : guess);
}

Status check_severity(std::string_view word) {
  static const std::vector<std::string> kNames = {"error", "warning", "info"};
  if (std::ranges::find(kNames, word) != kNames.end()) return {};
  const std::string guess = did_you_mean(word, kNames);
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("unknown severity '{}'", word),
                        guess.empty() ? "write error, warning or info" : guess);
}

std::string_view severity_of(std::string_view event) {
  const auto found = std::ranges::find(event_words(), event, &EventWord::name);
  return found == event_words().end() ? "info" : found->severity;
}

bool tells_of(const NotificationRule& rule, std::string_view event) {
  if (!rule.is_enabled) return false;
  const auto has = [](const std::vector<std::string>& list, std::string_view word) {
    return std::ranges::find(list, word) != list.end();
  };
  if (rule.events.empty() && rule.severities.empty()) return event == "failed";
  return has(rule.events, event) || has(rule.severities, severity_of(event));
}

Result<RateLimit> parse_rate(std::string_view text) {
  if (text.empty()) return RateLimit{};
  RateLimit limit{.at_most = 1, .per_ms = 0};
  std::string_view window = text;
  const auto per = text.find(kPer);
  bool is_good = true;
  if (per != std::string_view::npos) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + per, limit.at_most);
    is_good = error == std::errc() && end == text.data() + per && limit.at_most >= 1 &&
              limit.at_most <= kMostPerWindow;
    window = text.substr(per + kPer.size());
  }
  const auto per_ms = parse_duration_ms(window);
  if (!is_good || !per_ms || *per_ms <= 0)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("'{}' is no rate", text),
                          "write 1h for one an hour, or 5 per 1h");
  limit.per_ms = *per_ms;
  return limit;
}

}  // namespace weir::model
