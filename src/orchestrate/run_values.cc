#include "orchestrate/run_values.h"

#include <algorithm>

#include "base/instant.h"
#include "base/pattern.h"
#include "base/time_format.h"
#include "config/flow_params.h"
#include "config/yaml_scalar.h"
#include "schedule/schedule.h"

namespace weir::orchestrate {
namespace {

using config::RunReference;
using task::ParamType;

Json as_globs(const Json& value) {
  if (value.is_string()) return glob_of_name(value.get<std::string>());
  if (!value.is_array()) return value;
  Json globs = Json::array();
  for (const auto& item : value) globs.push_back(as_globs(item));
  return globs;
}

/// A text that stood in, as the parameter's type where it reads so.
Json retyped(ParamType type, Json value) {
  if (!value.is_string()) return value;
  const auto plain = config::plain_scalar(value.get<std::string>());
  if (!plain) return value;
  const bool fits = (type == ParamType::kInteger && plain->is_number_integer()) ||
                    (type == ParamType::kNumber && plain->is_number()) ||
                    (type == ParamType::kBoolean && plain->is_boolean());
  return fits ? *plain : value;
}

/// Seconds that the clocks of the flow's schedule are from UTC.
Result<int64_t> offset_s(const model::Flow& flow, int64_t at_us) {
  const Json name = flow.schedule.is_object() ? flow.schedule.value("timezone", Json()) : Json();
  if (!name.is_string() || name == "UTC") return 0;
  schedule::Zones zones;
  WEIR_ASSIGN(const auto zone, zones.find(name.get<std::string>()));
  constexpr int64_t kSecond = 1'000'000;
  const int64_t at_s = at_us >= 0 ? at_us / kSecond : -((-at_us + kSecond - 1) / kSecond);
  return zone->spans()[zone->index_at(at_s)].offset_s;
}

bool is_date(const std::string& text) {
  constexpr size_t kDateLetters = 10;
  return text.size() == kDateLetters;
}

}  // namespace

Result<Json> checked_params(const model::Flow& flow, const Json& given) {
  return config::checked_params(flow, given);
}

Status give_values(const model::Flow& flow, const Json& given, catalog::FlowRun& run) {
  Json values = given;
  if (run.trigger == "file" && given.is_object()) {
    const auto of_files = [&](const RunReference& reference) -> Result<Json> {
      if (reference.group() == "trigger" && given.contains(reference.name))
        return given.at(reference.name);
      if (reference.otherwise) return Json(*reference.otherwise);
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("'${{{}}}' of the file trigger of flow '{}' has no value",
                                        reference.words, flow.flow_id),
                            "the files that started this run do not give it");
    };
    for (auto& [name, value] : values.items()) {
      if (config::is_trigger_value(name)) continue;
      WEIR_ASSIGN(value, config::put_in(value, of_files));
    }
  }
  WEIR_ASSIGN(run.params, checked_params(flow, values));
  if (flow.schedule.is_null()) return {};
  // Read once, as zones themselves are: a newer database counts from the next start on.
  static const std::string kRelease = schedule::tzdata_version();
  run.time_zone_release = kRelease;
  if (run.interval_end_us != 0) return {};
  schedule::Zones zones;
  WEIR_ASSIGN(const auto schedule,
              while_doing(schedule::read_schedule(flow.schedule, zones),
                          fmt::format("reading the schedule of flow '{}'", flow.flow_id)));
  const auto interval = schedule.interval_of(run.logical_time_us);
  run.interval_start_us = interval.start_us;
  run.interval_end_us = interval.end_us;
  return {};
}

Result<Json> RunValues::params_of(const model::Task& task, const task::Template& made) const {
  Json params = task.params;
  if (!params.is_object()) return params;
  for (auto& [name, value] : params.items()) {
    const task::Param* param = made.find_param(name);
    const ParamType type = param == nullptr ? ParamType::kJson : param->type;
    const auto value_for = [&](const RunReference& reference) -> Result<Json> {
      WEIR_ASSIGN(Json known, value_of(reference));
      const bool is_name = reference.group() == "trigger" && type == ParamType::kGlob;
      const bool stands_in = reference.otherwise && known == *reference.otherwise;
      return is_name && !stands_in ? as_globs(known) : known;
    };
    auto now = config::put_in(value, value_for);
    if (!now)
      return std::unexpected(std::move(now).error().while_doing(
          fmt::format("putting the run's values into '{}' of task '{}'", name, task.task_id)));
    if (*now != value) value = retyped(type, *std::move(now));
  }
  return params;
}

Result<std::string> RunValues::sql_of(const std::string& path, const std::string& sql) const {
  auto made = config::put_in_sql(
      sql, [this](const RunReference& reference) { return value_of(reference); });
  if (made) return made;
  return std::unexpected(
      std::move(made).error().while_doing("putting the run's values into " + path));
}

Result<Json> RunValues::value_of(const RunReference& reference) const {
  WEIR_ASSIGN(Json value, found(reference));
  const bool is_missing = value.is_null() || value == "";
  if (is_missing && reference.otherwise) return Json(*reference.otherwise);
  if (value.is_null()) return missing(reference);
  return reference.format.empty() ? value : formatted(reference, value);
}

Result<Json> RunValues::found(const RunReference& reference) const {
  const auto instant = [](int64_t at_us) { return Json(format_instant(at_us)); };
  const std::string& name = reference.name;
  if (name == "run.run_id") return Json(run_.run_id);
  if (name == "run.logical_time") return instant(run_.logical_time_us);
  if (reference.group() == "schedule") {
    if (run_.interval_end_us == 0) return Json();
    if (name == "schedule.interval_start") return instant(run_.interval_start_us);
    return instant(run_.interval_end_us);  // Intervals end at their logical time.
  }
  const Json none = Json::object();
  const Json& given = run_.params.is_object() ? run_.params : none;
  if (reference.group() == "trigger") return given.value(name, Json());
  const std::string key = reference.key();
  if (const auto known = given.find(key); known != given.end()) return *known;
  // A run that goes on under another configuration than it began with.
  WEIR_ASSIGN(const auto params, config::flow_params(flow_));
  const auto param = std::ranges::find(params, key, &task::Param::name);
  return param == params.end() ? Json() : param->otherwise;
}

Result<Json> RunValues::formatted(const RunReference& reference, const Json& value) const {
  const auto text = value.is_string() ? value.get<std::string>() : std::string();
  const auto at_us = parse_instant(text);
  if (!at_us)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("'${{{}}}' is {}, no date and no timestamp", reference.words, dump_json(value)),
        "leave out the format, or declare the parameter as type: date");
  int64_t offset = 0;
  if (!is_date(text)) {
    WEIR_ASSIGN(offset, offset_s(flow_, *at_us));
  }
  return Json(format_time(reference.format, *at_us, offset));
}

std::unexpected<Error> RunValues::missing(const RunReference& reference) const {
  std::string message = fmt::format("'${{{}}}' has no value in run {} of flow '{}'",
                                    reference.words, run_.run_id, flow_.flow_id);
  std::string hint;
  if (reference.group() == "trigger") {
    const auto files =
        run_.params.is_object() ? run_.params.find("trigger.files") : run_.params.end();
    if (run_.params.is_object() && files != run_.params.end())
      message += fmt::format(": {} files started it", files->size());
    else
      message += ": no file started it";
    hint =
        fmt::format("say what stands in: ${{{}:-landing/*.csv}}; or give the run the parameter {}",
                    reference.name, reference.name);
  } else if (reference.group() == "schedule") {
    message += ": the flow has no schedule";
    hint =
        fmt::format("give the flow a schedule, or say what stands in: ${{{}:-…}}", reference.name);
  } else {
    hint = fmt::format("declare it in `params:` of the flow, or say what stands in: ${{{}:-…}}",
                       reference.name);
  }
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(message), std::move(hint));
}

}  // namespace weir::orchestrate
