#include "orchestrate/lineage.h"

#include <algorithm>

#include "base/digest.h"
#include "base/instant.h"
#include "base/pattern.h"
#include "base/redact.h"
#include "inputs/locations.h"
#include "lineage/event.h"
#include "orchestrate/resolve.h"
#include "orchestrate/run_values.h"

namespace weir::orchestrate {
namespace {

using catalog::FlowRun;
using catalog::Notices;
using catalog::RunState;
using catalog::TaskRun;
using catalog::TaskState;
using lineage::Dataset;
using lineage::EventType;
using model::OperationKind;

std::string space_of(const model::Configuration& configuration) {
  const std::string& given = configuration.lineage.namespace_of_jobs;
  return given.empty() ? configuration.project : given;
}

/// A run that was taken up again is another run there: one that has ended does not start.
std::string id_of(const FlowRun& run) {
  return lineage::derived_uuid7(run.started_at_us,
                                fmt::format("run\n{}\n{}", run.run_id, run.started_at_us));
}
std::string id_of(const TaskRun& row) {
  return lineage::derived_uuid7(
      row.started_at_us, fmt::format("task\n{}\n{}\n{}", row.run_id, row.task_id, row.attempt));
}

/// Columns as the target has them, each from the one of that name that is read.
void carry_across(const Dataset& from, Dataset& to) {
  for (const auto& column : to.schema) {
    // Of a file nobody has said its columns before it is read: they are those that it gave.
    if (!from.schema.empty() && model::find_column(from.schema, column.name) == nullptr) continue;
    to.columns[column.name] = {{.dataset = from.id, .column = column.name}};
  }
}

/// The datasets of one attempt, as far as its parameters and what it pinned tell.
class Datasets {
 public:
  Datasets(const Services& services, const model::Configuration& configuration, const FlowRun& run,
           const TaskRun& row)
      : services_(services), configuration_(configuration), run_(run), row_(row) {}

  std::vector<Dataset> inputs;
  std::vector<Dataset> outputs;
  std::string sql;

  Status find(const model::Flow& flow, const model::Task& task) {
    WEIR_ASSIGN(const task::Template* made, find_template(services_.templates, task.template_id));
    const RunValues values(flow, run_);
    WEIR_ASSIGN(const Json given, values.params_of(task, *made));
    params_ = task::with_defaults(made->params, given);
    is_effect_ = made->is_effect();
    for (const auto& param : made->params) WEIR_TRY(take_param(*made, param));
    if (row_.pinned.is_object()) WEIR_TRY(take_pinned(values));
    if (row_.state != TaskState::kSucceeded) return {};
    WEIR_TRY(take_result());
    const bool carries = made->operation && *made->operation != OperationKind::kTransform &&
                         *made->operation != OperationKind::kCheck &&
                         *made->operation != OperationKind::kReconcile;
    if (carries && inputs.size() == 1 && !outputs.empty())
      carry_across(inputs.front(), outputs.front());
    return {};
  }

 private:
  std::string text(const std::string& name) const {
    const auto found = params_.find(name);
    return found != params_.end() && found->is_string() ? found->get<std::string>() : "";
  }

  static Dataset& entry(std::vector<Dataset>& list, const lineage::DatasetId& id,
                        const std::string& own_name) {
    const auto found = std::ranges::find(list, id, &Dataset::id);
    if (found != list.end()) return *found;
    Dataset dataset;
    dataset.id = id;
    dataset.own_name = own_name;
    return list.emplace_back(std::move(dataset));
  }

  Result<lineage::DatasetId> place_of(const model::DatasetName& name) const {
    WEIR_ASSIGN(const std::string uri,
                inputs::dataset_uri(configuration_, services_.base_folder, name));
    return lineage::dataset_at(uri);
  }

  Status take_param(const task::Template& made, const task::Param& param) {
    if (param.use == task::Use::kConsumesFiles) return take_folder(text(param.name));
    if (param.use == task::Use::kReadsPlace) return take_place(text(param.name), inputs);
    if (param.use == task::Use::kFillsPlace) return take_place(text(param.name), outputs);
    if (param.use == task::Use::kReadsFolder) return take_files(text(param.name), inputs);
    if (param.use == task::Use::kFillsFolder) return take_files(text(param.name), outputs);
    if (param.use == task::Use::kConsumes || param.use == task::Use::kProduces) {
      WEIR_ASSIGN(const auto name, model::parse_dataset_name(text(param.name)));
      WEIR_ASSIGN(const auto id, place_of(name));
      const bool is_read = param.use == task::Use::kConsumes;
      Dataset& dataset = entry(is_read ? inputs : outputs, id, name.text());
      if (const auto* declared = configuration_.find_dataset(name))
        dataset.schema = declared->columns;
      if (!is_read) target_ = name;
    }
    if (param.type == task::ParamType::kConnection) return take_connection(made, text(param.name));
    return {};
  }

  /// Landing files are a dataset a folder: there are too many of them, and each is read once.
  Status take_folder(const std::string& from) {
    const auto slash = from.find('/');
    WEIR_ASSIGN(std::string uri,
                inputs::layer_uri(configuration_, services_.base_folder, from.substr(0, slash)));
    const std::string start = slash == std::string::npos ? "" : glob_prefix(from.substr(slash + 1));
    const auto end = start.rfind('/');
    if (end != std::string::npos) uri += "/" + start.substr(0, end);
    entry(inputs, lineage::dataset_at(uri), "");
    return {};
  }

  /// A folder of others.
  Status take_place(const std::string& place, std::vector<Dataset>& to) {
    if (place.empty() || refers_to_secret(place)) return {};
    entry(to, lineage::dataset_at(inputs::absolute_uri(services_.base_folder, place)), "");
    return {};
  }

  /// A folder of a layer, or a dataset whose files are meant.
  Status take_files(const std::string& from, std::vector<Dataset>& to) {
    const auto cut = from.find_first_of("/.");
    if (cut != std::string::npos && from[cut] == '.') {
      WEIR_ASSIGN(const auto name, model::parse_dataset_name(from));
      WEIR_ASSIGN(const auto id, place_of(name));
      entry(to, id, name.text());
      return {};
    }
    WEIR_ASSIGN(std::string uri,
                inputs::layer_uri(configuration_, services_.base_folder, from.substr(0, cut)));
    if (cut != std::string::npos) uri += "/" + from.substr(cut + 1);
    entry(to, lineage::dataset_at(uri), "");
    return {};
  }

  /// The system outside is read where a dataset of the lake is written, else written.
  Status take_connection(const task::Template& made, const std::string& connection_id) {
    WEIR_ASSIGN(const Json options,
                inputs::connection_options(configuration_, services_.base_folder, connection_id));
    const auto id = made.is_effect() ? lineage::answer_of(options, text("path"))
                                     : lineage::table_of(options, text("table"));
    if (!id) return {};
    const bool is_read = made.is_effect() ||
                         std::ranges::find(made.params, task::Use::kProduces, &task::Param::use) !=
                             made.params.end();
    is_outside_ = !is_read;
    entry(is_read ? inputs : outputs, *id, "");
    return {};
  }

  Status take_pinned(const RunValues& values) {
    WEIR_ASSIGN(const task::Inputs pinned, inputs_from_json(row_.pinned));
    for (const auto& hop : pinned.hops) {
      for (const auto& input : hop.inputs) {
        // Rows that were refused are read to be counted.
        if (input.dataset.name.ends_with("__rejected")) continue;
        if (!input.dataset.empty()) {
          WEIR_ASSIGN(const auto id, place_of(input.dataset));
          take_input(entry(inputs, id, input.dataset.text()), input);
        } else if (!inputs.empty()) {
          take_input(inputs.front(), input);
        }
      }
    }
    for (const auto& [path, content] : pinned.files) {
      WEIR_ASSIGN(sql, values.sql_of(path, content));
    }
    return {};
  }

  static void take_input(Dataset& dataset, const model::PinnedInput& input) {
    if (!input.schema.empty()) dataset.schema = input.schema;
    auto& amount = dataset.amount;
    for (const auto& object : input.objects) {
      amount.files = std::max<int64_t>(amount.files, 0) + 1;
      amount.bytes = std::max<int64_t>(amount.bytes, 0) + object.size_bytes;
      if (object.rows >= 0) amount.rows = std::max<int64_t>(amount.rows, 0) + object.rows;
    }
  }

  /// What became of the target: its schema, and what this attempt wrote of it.
  Status take_result() {
    if (outputs.empty()) return {};
    Dataset& output = outputs.front();
    if (is_effect_) {  // counts files
      output.amount.files = row_.counts.inserted + row_.counts.updated_in_place;
      return {};
    }
    output.amount.rows = row_.counts.inserted + row_.counts.updated_in_place;
    const auto bytes = row_.details.find("bytes_written");
    if (bytes != row_.details.end() && bytes->is_number_integer())
      output.amount.bytes = bytes->get<int64_t>();
    if (is_outside_ && inputs.size() == 1) output.schema = inputs.front().schema;
    if (target_.empty()) return {};
    WEIR_ASSIGN(const auto recorded, services_.catalog->recorded_schema(target_));
    if (recorded) output.schema = *recorded;
    WEIR_TRY(take_columns(output));
    if (row_.counts.rejected == 0) return {};
    WEIR_ASSIGN(const auto id, place_of(target_.rejected()));
    Dataset& rejected = entry(outputs, id, target_.rejected().text());
    rejected.schema = model::rejected_schema();
    rejected.amount.rows = row_.counts.rejected;
    return {};
  }

  /// What the engine says of the columns of a query.
  Status take_columns(Dataset& output) const {
    const auto said = row_.details.find("column_lineage");
    if (said == row_.details.end()) return {};
    WEIR_ASSIGN(const auto lineage, model::column_lineage_from_json(*said));
    const auto take = [&](const std::set<model::ColumnSource>& sources,
                          std::set<lineage::InputField>& to) -> Status {
      for (const auto& source : sources) {
        WEIR_ASSIGN(auto id, place_of(source.dataset));
        to.insert({std::move(id), source.column, source.use});
      }
      return {};
    };
    for (const auto& [name, sources] : lineage.columns)
      WEIR_TRY(take(sources, output.columns[name]));
    return take(lineage.rows, output.rows);
  }

  const Services& services_;
  const model::Configuration& configuration_;
  const FlowRun& run_;
  const TaskRun& row_;
  Json params_;
  model::DatasetName target_;
  bool is_effect_ = false;
  bool is_outside_ = false;
};

lineage::Event event_of(EventType type, const model::Configuration& configuration,
                        const FlowRun& run) {
  lineage::Event event;
  event.type = type;
  event.job.name_space = space_of(configuration);
  event.interval_start_us = run.interval_start_us;
  event.interval_end_us = run.interval_end_us;
  event.own = {{"project", configuration.project},
               {"flow_id", run.flow_id},
               {"run_id", run.run_id},
               {"run_key", run.run_key},
               {"trigger", run.trigger},
               {"config_hash", run.config_hash},
               {"logical_time", format_instant(run.logical_time_us)}};
  if (!run.time_zone_release.empty()) event.own["time_zone_release"] = run.time_zone_release;
  return event;
}

Notices noticed(const Services& services, const model::Configuration& configuration,
                const lineage::Event& event) {
  catalog::Notice notice;
  notice.key =
      sha256_hex(fmt::format("lineage\n{}\n{}", event.run_id, to_text(event.type))).substr(0, 32);
  notice.channel = configuration.lineage.to;
  notice.event = std::string(catalog::kLineageEvent);
  notice.run_id = event.own.value("run_id", "");
  notice.flow_id = event.own.value("flow_id", "");
  notice.task_id = event.own.value("task_id", "");
  notice.payload = {{"subject", fmt::format("lineage {} {}", to_text(event.type), event.job.name)},
                    {"event", lineage::to_json(event, services.version)}};
  return {notice};
}

Notices of_run(const Services& services, const model::Configuration& configuration,
               const FlowRun& run, EventType type, int64_t at_us) {
  lineage::Event event = event_of(type, configuration, run);
  event.at_us = at_us;
  event.run_id = id_of(run);
  event.job.name = run.flow_id;
  event.job.type = "FLOW";
  if (const model::Flow* flow = configuration.find_flow(run.flow_id)) {
    event.job.description = flow->description;
    event.job.owner = flow->owner;
  }
  if (type != EventType::kStart) event.error = run.error_text;
  if (!run.error_code.empty()) event.own["error_code"] = run.error_code;
  return noticed(services, configuration, event);
}

Notices of_attempt(const Services& services, const model::Configuration& configuration,
                   const FlowRun& run, const TaskRun& row, EventType type) {
  lineage::Event event = event_of(type, configuration, run);
  event.at_us = type == EventType::kStart ? row.started_at_us : services.clock->now_us();
  event.run_id = id_of(row);
  event.parent = {id_of(run), run.flow_id};
  event.job.name = run.flow_id + "." + row.task_id;
  event.job.type = "TASK";
  event.own["task_id"] = row.task_id;
  event.own["attempt"] = row.attempt;
  event.own["template"] = row.template_id;
  if (type != EventType::kStart) {
    event.error = row.error_text;
    event.own["state"] = to_text(row.state);
    event.own["counts"] = model::to_json(row.counts);
    if (!row.error_code.empty()) event.own["error_code"] = row.error_code;
  }
  if (const model::Flow* flow = configuration.find_flow(run.flow_id)) {
    event.job.owner = flow->owner;
    const auto task = std::ranges::find(flow->tasks, row.task_id, &model::Task::task_id);
    Datasets datasets(services, configuration, run, row);
    // What cannot be said stays out; the attempt itself says what is wrong with it.
    if (task != flow->tasks.end()) static_cast<void>(datasets.find(*flow, *task));
    event.inputs = std::move(datasets.inputs);
    event.outputs = std::move(datasets.outputs);
    event.job.sql = std::move(datasets.sql);
  }
  return noticed(services, configuration, event);
}

}  // namespace

Notices lineage_of_start(const Services& services, const model::Configuration& configuration,
                         const FlowRun& run) {
  if (configuration.lineage.to.empty()) return {};
  return of_run(services, configuration, run, EventType::kStart, run.started_at_us);
}

Notices lineage_of_end(const Services& services, const model::Configuration& configuration,
                       const FlowRun& run, RunState to) {
  if (configuration.lineage.to.empty() || run.state != RunState::kRunning) return {};
  const EventType type = to == RunState::kSucceeded ? EventType::kComplete
                         : to == RunState::kFailed  ? EventType::kFail
                                                    : EventType::kAbort;
  return of_run(services, configuration, run, type, services.clock->now_us());
}

Notices lineage_of_begin(const Services& services, const model::Configuration& configuration,
                         const FlowRun& run, const TaskRun& row) {
  if (configuration.lineage.to.empty()) return {};
  return of_attempt(services, configuration, run, row, EventType::kStart);
}

Notices lineage_of_end(const Services& services, const model::Configuration& configuration,
                       const FlowRun& run, const TaskRun& row, const catalog::TaskKey& before) {
  if (configuration.lineage.to.empty() || before.state != TaskState::kRunning) return {};
  // Ready again: this attempt has failed, and another follows.
  const bool has_failed = row.state == TaskState::kFailed || row.state == TaskState::kReady;
  const EventType type = row.state == TaskState::kSucceeded ? EventType::kComplete
                         : has_failed                       ? EventType::kFail
                                                            : EventType::kAbort;
  return of_attempt(services, configuration, run, row, type);
}

}  // namespace weir::orchestrate
