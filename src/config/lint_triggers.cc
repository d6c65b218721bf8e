#include "config/lint_triggers.h"

#include <fmt/ranges.h>

#include "arrivals/expectation.h"
#include "arrivals/queue.h"
#include "base/nearest.h"
#include "model/file_trigger.h"

namespace weir::config {
namespace {

bool is_open(const std::string& text) { return text.contains("${"); }

class TriggerLinter {
 public:
  TriggerLinter(const model::Configuration& configuration, const Places& places, Faults& faults)
      : configuration_(configuration), places_(places), faults_(faults) {}

  void flow(const model::Flow& flow) {
    if (flow.file_trigger.is_null()) return;
    const Subject subject = Subject{"flow", {flow.flow_id}, {}}.in("file_trigger");
    for (const auto& [key, error] : model::check_file_trigger(flow.file_trigger))
      fault(key.empty() ? subject : subject.in(key), error.message, error.hint);
    if (!flow.file_trigger.is_object()) return layer(subject, flow.file_trigger);
    for (const char* key : {"pattern", "manifest", "control"})
      if (flow.file_trigger.contains(key)) layer(subject.in(key), flow.file_trigger.at(key));
    if (const auto set = flow.file_trigger.find("set");
        set != flow.file_trigger.end() && set->is_object())
      for (const auto& [member, glob] : set->items()) layer(subject.in("set").in(member), glob);
    events(subject.in("events"), flow.file_trigger.value("events", Json()));
    expected(subject.in("expected"), flow.file_trigger.value("expected", Json()));
  }

  void queue(const model::Connection& connection) {
    const Subject subject{"connection", {connection.connection_id}, {}};
    if (is_open(dump_json(connection.options))) return;
    const auto settings = arrivals::read_sqs_settings(connection.options);
    if (!settings) fault(subject, settings.error().message, settings.error().hint);
  }

 private:
  void fault(const Subject& subject, const std::string& message, std::string hint) {
    faults_.push_back(fault_of(places_, subject, message, std::move(hint)));
  }

  void layer(const Subject& subject, const Json& glob) {
    if (!glob.is_string() || is_open(glob.get<std::string>())) return;
    const auto parts = model::split_glob(glob.get<std::string>());
    if (!parts || configuration_.find_layer(parts->first) != nullptr) return;
    std::vector<std::string> names;
    for (const auto& each : configuration_.layers) names.push_back(each.name);
    const std::string guess = did_you_mean(parts->first, names);
    fault(subject, fmt::format("unknown layer '{}'", parts->first),
          guess.empty() ? fmt::format("layers: {}", fmt::join(names, ", ")) : guess);
  }

  void expected(const Subject& subject, const Json& said) {
    if (said.is_null() || is_open(dump_json(said))) return;
    const auto read =
        arrivals::Expectation::read(model::with_calendar(configuration_, said), zones_);
    if (!read) fault(subject, read.error().message, read.error().hint);
  }

  void events(const Subject& subject, const Json& said) {
    if (!said.is_string() || is_open(said.get<std::string>())) return;
    const std::string id = said.get<std::string>();
    const auto* connection = configuration_.find_connection(id);
    if (connection != nullptr && connection->kind == "sqs") return;
    if (connection != nullptr)
      return fault(subject,
                   fmt::format("connection '{}' is of kind '{}', which tells of no files", id,
                               connection->kind),
                   "name a connection of kind sqs");
    std::vector<std::string> names;
    for (const auto& each : configuration_.connections)
      if (each.kind == "sqs") names.push_back(each.connection_id);
    const std::string guess = did_you_mean(id, names);
    fault(subject, fmt::format("unknown connection '{}'", id),
          guess.empty() ? "add a connection of kind sqs with its queue_url" : guess);
  }

  const model::Configuration& configuration_;
  const Places& places_;
  Faults& faults_;
  schedule::Zones zones_;
};

}  // namespace

void lint_file_triggers(const model::Configuration& configuration, const Places& places,
                        Faults& faults) {
  TriggerLinter linter(configuration, places, faults);
  for (const auto& connection : configuration.connections)
    if (connection.kind == "sqs") linter.queue(connection);
  for (const auto& flow : configuration.flows) linter.flow(flow);
}

}  // namespace weir::config
