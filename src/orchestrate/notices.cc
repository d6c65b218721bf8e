#include "orchestrate/notices.h"

#include <algorithm>

#include "base/digest.h"
#include "base/instant.h"
#include "base/pattern.h"
#include "base/redact.h"
#include "model/task_id.h"
#include "notify/message.h"
#include "orchestrate/lineage.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::Notice;
using catalog::Notices;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;
using model::NotificationRule;

bool matches(const std::vector<std::string>& globs, const std::string& name) {
  return globs.empty() || std::ranges::any_of(globs, [&](const auto& glob) {
           return glob == name || glob_matches(glob, name).value_or(false);
         });
}

/// A rule that names a task with for_each is about those of all its values.
bool matches_task(const NotificationRule& rule, const std::string& task_id) {
  return matches(rule.tasks, task_id) || matches(rule.tasks, model::without_value(task_id));
}

/// What happened, before a rule looks at it.
struct Happening {
  const Services& services;
  const model::Configuration& configuration;
  const FlowRun& run;
  std::string event;
  std::string state;              ///< Of the run, for people.
  const TaskRun* task = nullptr;  ///< That it is about.
  std::string also_failed = {};
  std::string hint = {};  ///< Where it is about no task.
};

/// `code: message, while a, while b`, as rows keep an error, in its parts.
struct Told {
  std::string message;
  std::string trail;
};
Told told_of(const std::string& line, const std::string& code) {
  Told told{line, {}};
  if (!code.empty() && told.message.starts_with(code + ": "))
    told.message.erase(0, code.size() + 2);
  constexpr std::string_view kWhile = ", while ";
  const auto first = told.message.find(kWhile);
  if (first == std::string::npos) return told;
  std::string_view rest(told.message);
  rest.remove_prefix(first + kWhile.size());
  while (true) {
    const auto end = rest.find(kWhile);
    told.trail += (told.trail.empty() ? "" : "\n") + std::string(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + kWhile.size());
  }
  told.message.resize(first);
  return told;
}

std::string command_for(const Happening& what) {
  if (what.event == "held")
    return fmt::format("weir approve {0} && weir retry {0}, or weir reject {0}", what.run.run_id);
  if (what.event == "late" && what.run.run_id.empty())
    return fmt::format("weir arrivals list {}", what.run.flow_id);
  if (what.event == "slow" || what.event == "late")
    return fmt::format("weir status {}", what.run.run_id);
  if (what.event == "recovered" || what.event == "succeeded") return {};
  if (what.run.run_id.empty()) return {};  // it is tried again by itself
  return fmt::format("weir retry {}", what.run.run_id);
}

Json fields_of(const Happening& what, const NotificationRule& rule) {
  const int64_t now_us = what.services.clock->now_us();
  Json fields = {{"event", what.event},
                 {"severity", model::severity_of(what.event)},
                 {"project", what.configuration.project},
                 {"flow", what.run.flow_id},
                 {"run_id", what.run.run_id},
                 {"state", what.state},
                 {"command", command_for(what)},
                 {"also_failed", what.also_failed},
                 {"rule", rule.rule_id},
                 {"at", format_instant(now_us / 1'000'000 * 1'000'000)}};
  if (what.run.started_at_us > 0) {
    constexpr int64_t kSecondMs = 1000;
    const int64_t took_ms = (now_us - what.run.started_at_us) / 1000;
    fields["started_at"] = format_instant(what.run.started_at_us / 1'000'000 * 1'000'000);
    fields["duration"] = format_duration_ms(took_ms < kSecondMs ? std::max<int64_t>(took_ms, 0)
                                                                : took_ms / kSecondMs * kSecondMs);
  }
  if (!what.hint.empty()) fields["hint"] = what.hint;
  std::string line = what.run.error_text;
  std::string code = what.run.error_code;
  if (what.task != nullptr) {
    line = what.task->error_text;
    code = what.task->error_code;
    fields["task"] = what.task->task_id;
    fields["attempt"] = what.task->attempt;
    fields["hint"] = what.task->error_hint;
    fields["held_reason"] = what.task->held_reason;
  }
  const Told told = told_of(line, code);
  fields["error_code"] = code;
  fields["message"] = told.message;
  fields["trail"] = told.trail;
  for (auto& each : fields)
    if (each.is_string()) each = process_redactor().clean(each.get_ref<const std::string&>());
  if (!rule.link.empty()) fields["link"] = notify::render(rule.link, fields, notify::Escape::kNone);
  return fields;
}

Notice notice_of(const Happening& what, const NotificationRule& rule) {
  Json fields = fields_of(what, rule);
  Notice notice;
  // Each change of state is made once, so its message is one; what is asked again and again has a
  // key of its own.
  notice.key =
      what.event == "slow" || what.event == "late"
          ? sha256_hex(fmt::format("{}\n{}\n{}", what.event, what.run.run_id, rule.rule_id))
                .substr(0, 32)
          : make_uuid7(*what.services.clock, *what.services.random);
  notice.rule_id = rule.rule_id;
  notice.channel = rule.channel;
  notice.run_id = what.run.run_id;
  notice.flow_id = what.run.flow_id;
  notice.task_id = what.task == nullptr ? "" : what.task->task_id;
  notice.event = what.event;
  notice.subject_key =
      fmt::format("{}/{}/{}", what.run.flow_id, notice.task_id, fields.value("error_code", ""));
  notice.dedup_ms = rule.dedup_ms.value_or(0);
  if (const auto rate = model::parse_rate(rule.every)) {
    notice.at_most = rate->at_most;
    notice.per_ms = rate->per_ms;
  }
  const auto words = [&](const std::string& own, std::string (*usual)(const Json&)) {
    return own.empty() ? usual(fields) : notify::render(own, fields, notify::Escape::kNone);
  };
  const std::string subject = words(rule.subject, notify::usual_subject);
  const std::string body = words(rule.body, notify::usual_body);
  notice.payload = {{"fields", std::move(fields)}, {"subject", subject}, {"body", body}};
  return notice;
}

/// The end of a run is told once by a rule: as the first of these that it tells of.
std::vector<std::string_view> events_of(RunState to, bool has_drift, bool is_recovery) {
  if (to == RunState::kCancelled) return {"cancelled"};
  if (to == RunState::kFailed && has_drift) return {"schema_drift", "failed"};
  if (to == RunState::kFailed) return {"failed"};
  if (to == RunState::kSucceeded && is_recovery) return {"recovered", "succeeded"};
  if (to == RunState::kSucceeded) return {"succeeded"};
  return {};
}

/// Whether the run, or the last one of its flow before it that ended, had failed.
bool is_recovery(const Services& services, const FlowRun& run) {
  constexpr int64_t kLookedAt = 100;
  if (run.has_failed) return true;
  const auto runs = services.catalog->flow_runs(run.flow_id, kLookedAt);
  if (!runs) return false;
  const FlowRun* last = nullptr;
  for (const auto& other : *runs) {
    const bool counts = other.state == RunState::kSucceeded || other.state == RunState::kFailed;
    if (other.run_id == run.run_id || !counts) continue;
    if (last == nullptr || other.finished_at_us > last->finished_at_us) last = &other;
  }
  return last != nullptr && last->state == RunState::kFailed;
}

/// The first task in the state that the rule is about; nothing where there is none.
const TaskRun* task_for(const NotificationRule& rule, const std::vector<TaskRun>& rows,
                        TaskState state, std::string_view code) {
  for (const auto& row : rows)
    if (row.state == state && (code.empty() || row.error_code == code) &&
        matches_task(rule, row.task_id))
      return &row;
  return nullptr;
}

std::string others_failed(const std::vector<TaskRun>& rows, const TaskRun* told) {
  std::string names;
  for (const auto& row : rows)
    if (row.state == TaskState::kFailed && &row != told)
      names += (names.empty() ? "" : ", ") + row.task_id;
  return names;
}

}  // namespace

Notices notices_of_end(const Services& services, const model::Configuration& configuration,
                       const FlowRun& run, RunState to, const std::vector<TaskRun>& rows) {
  Notices notices = lineage_of_end(services, configuration, run, to);
  const auto wants = [&](std::string_view event) {
    return std::ranges::any_of(configuration.notifications,
                               [&](const auto& rule) { return model::tells_of(rule, event); });
  };
  const std::string drift(to_text(ErrorCode::kSchemaDrift));
  const bool has_drift = std::ranges::find(rows, drift, &TaskRun::error_code) != rows.end();
  const bool recovers =
      to == RunState::kSucceeded && wants("recovered") && is_recovery(services, run);
  for (const auto& rule : configuration.notifications) {
    if (!matches(rule.flows, run.flow_id)) continue;
    for (const auto event : events_of(to, has_drift, recovers)) {
      if (!model::tells_of(rule, event)) continue;
      Happening what{services, configuration, run, std::string(event), std::string(to_text(to))};
      if (to == RunState::kFailed) {
        what.task = task_for(rule, rows, TaskState::kFailed, event == "failed" ? "" : drift);
        what.also_failed = others_failed(rows, what.task);
      }
      if (to == RunState::kCancelled) what.task = task_for(rule, rows, TaskState::kCancelled, "");
      // A rule about tasks says nothing of what is about none of them.
      if (!rule.tasks.empty() && what.task == nullptr) continue;
      notices.push_back(notice_of(what, rule));
      break;
    }
  }
  return notices;
}

Notices notices_of_hold(const Services& services, const model::Configuration& configuration,
                        const FlowRun& run, const TaskRun& row) {
  Notices notices;
  for (const auto& rule : configuration.notifications) {
    if (!model::tells_of(rule, "held") || !matches(rule.flows, run.flow_id) ||
        !matches_task(rule, row.task_id))
      continue;
    notices.push_back(notice_of({services, configuration, run, "held", "held", &row}, rule));
  }
  return notices;
}

Notices notices_of_slow(const Services& services, const model::Configuration& configuration,
                        const FlowRun& run) {
  Notices notices;
  if (run.state != RunState::kRunning || run.started_at_us == 0) return notices;
  const int64_t took_ms = (services.clock->now_us() - run.started_at_us) / 1000;
  for (const auto& rule : configuration.notifications) {
    const bool is_slow = rule.slow_after_ms && took_ms > *rule.slow_after_ms;
    if (!is_slow || !model::tells_of(rule, "slow") || !rule.tasks.empty() ||
        !matches(rule.flows, run.flow_id))
      continue;
    notices.push_back(notice_of({services, configuration, run, "slow", "running"}, rule));
  }
  return notices;
}

Notices notices_of_late(const Services& services, const model::Configuration& configuration,
                        const FlowRun& run) {
  Notices notices;
  const model::Flow* flow = configuration.find_flow(run.flow_id);
  if (flow == nullptr || !flow->deadline_ms || is_final(run.state)) return notices;
  const int64_t late_ms = (services.clock->now_us() - run.logical_time_us) / 1000;
  if (late_ms <= *flow->deadline_ms) return notices;
  for (const auto& rule : configuration.notifications) {
    if (!model::tells_of(rule, "late") || !rule.tasks.empty() || !matches(rule.flows, run.flow_id))
      continue;
    Happening what{services, configuration, run, "late", std::string(to_text(run.state))};
    notices.push_back(notice_of(what, rule));
  }
  return notices;
}

Notices notices_of_waiting_start(const Services& services,
                                 const model::Configuration& configuration,
                                 const catalog::WaitingStart& start) {
  FlowRun none;
  none.flow_id = start.flow_id;
  none.error_code = start.error_code;
  none.error_text = start.error_text;
  Notices notices;
  for (const auto& rule : configuration.notifications) {
    if (!model::tells_of(rule, "failed") || !rule.tasks.empty() ||
        !matches(rule.flows, start.flow_id))
      continue;
    Happening what{services, configuration, none, "failed", "cannot start"};
    what.hint = start.error_hint;
    notices.push_back(notice_of(what, rule));
  }
  return notices;
}

Notices notices_of_missing(const Services& services, const model::Configuration& configuration,
                           const Missing& missing) {
  FlowRun none;
  none.flow_id = missing.flow_id;
  none.error_text = missing.text;
  none.started_at_us = missing.since_us;
  Notices notices;
  for (const auto& rule : configuration.notifications) {
    if (!model::tells_of(rule, "late") || !rule.tasks.empty() ||
        !matches(rule.flows, missing.flow_id))
      continue;
    Notice notice = notice_of({services, configuration, none, "late", "waiting for files"}, rule);
    notice.key =
        sha256_hex(fmt::format("late\n{}\n{}\n{}", missing.flow_id, missing.key, rule.rule_id))
            .substr(0, 32);
    notices.push_back(std::move(notice));
  }
  return notices;
}

}  // namespace weir::orchestrate
