#include "config/lint_notifications.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "base/nearest.h"
#include "base/pattern.h"
#include "base/redact.h"
#include "notify/message.h"
#include "notify/settings.h"
#include "secrets/secrets.h"

namespace weir::config {
namespace {

using model::NotificationRule;

bool is_variable(std::string_view text) { return text.find("${") != std::string_view::npos; }

class RuleLinter {
 public:
  RuleLinter(const model::Configuration& configuration, const Places& places, bool is_of_one_flow,
             Faults& faults)
      : configuration_(configuration),
        places_(places),
        is_of_one_flow_(is_of_one_flow),
        faults_(faults) {}

  void channel(const model::Connection& connection) {
    const Subject subject{"connection", {connection.connection_id}, {}};
    if (connection.kind == "webhook") lint_headers(connection, subject);
    // What a variable will be is not known yet; then the channel says it when it is opened.
    if (is_variable(dump_json(connection.options))) return;
    const auto settings = notify::check_options(connection.kind, connection.options);
    if (!settings) fault(subject, settings.error());
  }

  void rule(const NotificationRule& rule) {
    const Subject subject{"notification_rule", {rule.rule_id}, {}};
    lint_channel(rule, subject);
    lint_events(rule, subject);
    if (!is_of_one_flow_) lint_names(rule, subject);
    if (const auto rate = model::parse_rate(rule.every); !rate)
      fault(subject.in("every"), rate.error());
    for (const auto& [key, text] : {std::pair{"subject", &rule.subject},
                                    std::pair{"body", &rule.body}, std::pair{"link", &rule.link}}) {
      const auto checked = notify::check_template(*text);
      if (!checked) fault(subject.in(key), checked.error());
    }
  }

  void lineage(const model::Lineage& lineage) {
    if (lineage.to.empty()) return;
    const Subject subject{"project", {configuration_.project}, {"lineage"}};
    if (is_variable(lineage.namespace_of_jobs))
      fault(subject.in("namespace"), "it holds a variable", "write it in `environments`");
    const auto* connection = configuration_.find_connection(lineage.to);
    if (connection == nullptr) {
      std::vector<std::string> names;
      for (const auto& each : configuration_.connections)
        if (takes_events(each)) names.push_back(each.connection_id);
      const std::string guess = did_you_mean(lineage.to, names);
      fault(subject.in("to"), fmt::format("unknown connection '{}'", lineage.to),
            guess.empty() ? std::string(kTakesEvents) : guess);
      return;
    }
    if (!takes_events(*connection))
      fault(subject.in("to"),
            fmt::format("connection '{}' is of kind '{}'{}, which takes no events", lineage.to,
                        connection->kind, connection->kind == "log" ? " without a path" : ""),
            std::string(kTakesEvents));
    for (const char* const option : {"body", "method", "content_type"})
      if (connection->options.contains(option))
        fault({"connection", {lineage.to}, {option}},
              fmt::format("'{}' is for messages, and events of lineage go there", option),
              "leave it out, or give `lineage` a connection of its own");
  }

 private:
  static constexpr std::string_view kTakesEvents =
      "it is a connection of kind webhook, with the url of the lineage API, or of kind log, with "
      "the path of a file";

  static bool takes_events(const model::Connection& connection) {
    return connection.kind == "webhook" ||
           (connection.kind == "log" && connection.options.contains("path"));
  }

  void fault(const Subject& subject, const Error& error) {
    faults_.push_back(fault_of(places_, subject, error.message, error.hint));
    if (error.code == ErrorCode::kUnsupported) faults_.back().code = error.code;
  }
  void fault(const Subject& subject, std::string message, std::string hint) {
    fault(subject, Error{ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), {}});
  }

  /// Rows are read by many: a header that carries a secret refers to it.
  void lint_headers(const model::Connection& connection, const Subject& subject) {
    const auto headers = connection.options.find("headers");
    if (headers == connection.options.end() || !headers->is_object()) return;
    for (const auto& [name, value] : headers->items()) {
      const std::string text = value.is_string() ? value.get<std::string>() : std::string();
      const bool is_secret = names_secret(name) || names_secret(name + "=");
      if (!is_secret || text.empty() || refers_to_secret(text)) continue;
      process_redactor().remember(text);  // The line it stands in is shown.
      fault(subject.in("headers").in(name),
            fmt::format("the header '{}' holds a secret in clear", name),
            "keep it with `weir secret set ID`, and write secret://ID here");
    }
  }

  void lint_channel(const NotificationRule& rule, const Subject& subject) {
    const auto* connection = configuration_.find_connection(rule.channel);
    if (connection == nullptr && rule.channel == "log") return;
    if (connection != nullptr) {
      if (notify::is_channel(connection->kind)) return;
      fault(subject.in("channel"),
            fmt::format("connection '{}' is of kind '{}', which is no channel", rule.channel,
                        connection->kind),
            "channels are connections of kind smtp, webhook, sns or log");
      return;
    }
    std::vector<std::string> names = {"log"};
    for (const auto& each : configuration_.connections)
      if (notify::is_channel(each.kind)) names.push_back(each.connection_id);
    const std::string guess = did_you_mean(rule.channel, names);
    fault(subject.in("channel"), fmt::format("unknown channel '{}'", rule.channel),
          guess.empty() ? fmt::format("channels: {}", fmt::join(names, ", ")) : guess);
  }

  void lint_events(const NotificationRule& rule, const Subject& subject) {
    for (const auto& each : rule.events)
      if (const auto known = model::check_event(each); !known)
        fault(subject.in("events"), known.error());
    for (const auto& each : rule.severities)
      if (const auto known = model::check_severity(each); !known)
        fault(subject.in("severities"), known.error());
    if (!rule.events.empty() && !rule.severities.empty())
      fault(subject.in("severities"), "it has events, too", "say one of them");
    const bool names_slow = std::ranges::find(rule.events, "slow") != rule.events.end();
    if (names_slow && !rule.slow_after_ms)
      fault(subject.in("events"), "event 'slow' needs slow_after",
            "write slow_after: 2h, the time after which a run is slow");
    if (rule.slow_after_ms && rule.is_enabled && !model::tells_of(rule, "slow"))
      fault(subject.in("slow_after"), "it tells of no event 'slow'", "add slow to its events");
  }

  void lint_names(const NotificationRule& rule, const Subject& subject) {
    std::vector<std::string> flows;
    std::vector<std::string> tasks;
    for (const auto& flow : configuration_.flows) {
      flows.push_back(flow.flow_id);
      for (const auto& task : flow.tasks) tasks.push_back(task.task_id);
    }
    lint_globs(rule.flows, "flow", flows, subject.in("flows"));
    lint_globs(rule.tasks, "task", tasks, subject.in("tasks"));
  }

  void lint_globs(const std::vector<std::string>& globs, std::string_view what,
                  const std::vector<std::string>& names, const Subject& subject) {
    for (const auto& glob : globs) {
      const auto broken = glob_matches(glob, "");
      if (!broken) {
        fault(subject, broken.error());
        continue;
      }
      // A glob may wait for what is to come; a name is of something that is there. Tasks of
      // composites are `<task>.<sub>`, and come about later.
      const bool is_glob = glob.find_first_of("*?[{") != std::string::npos;
      if (is_glob || (what == "task" && glob.contains('.'))) continue;
      if (std::ranges::find(names, glob) != names.end()) continue;
      const std::string guess = did_you_mean(glob, names);
      fault(subject, fmt::format("unknown {} '{}'", what, glob),
            guess.empty() ? fmt::format("a {} of the project, or a glob such as sales_*", what)
                          : guess);
    }
  }

  const model::Configuration& configuration_;
  const Places& places_;
  const bool is_of_one_flow_;
  Faults& faults_;
};

}  // namespace

void lint_notifications(const model::Configuration& configuration, const Places& places,
                        bool is_of_one_flow, Faults& faults) {
  RuleLinter linter(configuration, places, is_of_one_flow, faults);
  for (const auto& connection : configuration.connections)
    if (notify::is_channel(connection.kind)) linter.channel(connection);
  for (const auto& rule : configuration.notifications) linter.rule(rule);
  linter.lineage(configuration.lineage);
}

}  // namespace weir::config
