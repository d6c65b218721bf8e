#include "config/version.h"

#include <algorithm>

#include "base/digest.h"
#include "config/lint.h"
#include "config/lint_run_values.h"
#include "config/template_files.h"
#include "config/user_templates.h"
#include "config/yaml_scalar.h"

namespace weir::config {
namespace {

constexpr int64_t kFormat = 1;
constexpr int64_t kMostFileBytes = 4 << 20;

/// Reads what tasks name; what `sql` templates made is there already.
class FileCollector {
 public:
  FileCollector(const VersionInputs& inputs, const Places& places,
                std::map<std::string, std::string>& files)
      : inputs_(inputs), places_(places), files_(files) {}

  Faults faults;

  /// The files of a task; what runs put into them is checked.
  void task(const model::Flow& flow, const model::Task& task) {
    const auto made = std::ranges::find(inputs_.builtin, task.template_id, &task::Template::name);
    if (made == inputs_.builtin.end()) return;
    for (const auto& param : made->params) {
      if (param.type != task::ParamType::kSqlFile) continue;
      const auto value = task.params.find(param.name);
      if (value == task.params.end() || !value->is_string()) continue;
      const Subject subject{"task", {task.flow_id, task.task_id}, {"with", param.name}};
      const auto path = value->get<std::string>();
      file(path, subject);
      if (const auto found = files_.find(path); found != files_.end())
        for (const auto& wrong : check_run_references(flow, nullptr, found->second))
          faults.push_back(fault_of(places_, subject, wrong.message, wrong.hint));
    }
  }

  void template_file(const model::TemplateRow& row) {
    const Subject subject{"template", {row.template_id}, {"location"}};
    file(row.location, subject);
    const auto found = files_.find(row.location);
    if (found == files_.end() || sha256_hex(found->second) == row.sha256) return;
    faults.push_back(fault_of(places_, subject,
                              fmt::format("file '{}' changed while it was read", row.location)));
    faults.back().code = ErrorCode::kConflict;
  }

  void file(const std::string& path, const Subject& subject) {
    if (files_.contains(path)) return;
    auto text = read(path);
    if (text) {
      files_[path] = *std::move(text);
      return;
    }
    Error fault = fault_of(places_, subject, text.error().message, text.error().hint);
    fault.code = text.error().code;
    faults.push_back(std::move(fault));
  }

 private:
  Result<std::string> read(const std::string& path) const {
    auto text = inputs_.folder->read(path, {.offset_bytes = 0, .size_bytes = kMostFileBytes + 1});
    if (!text && text.error().code == ErrorCode::kNotFound)
      return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("no file '{}'", path),
                            "paths count from the project folder");
    if (!text) return text;
    if (std::ssize(*text) > kMostFileBytes)
      return fail(ErrorCode::kInvalidConfig, "file '{}' is larger than {} bytes", path,
                  kMostFileBytes);
    if (first_invalid_utf8(*text))
      return fail(ErrorCode::kInvalidConfig, "file '{}' is no UTF-8", path);
    return text;
  }

  const VersionInputs& inputs_;
  const Places& places_;
  std::map<std::string, std::string>& files_;
};

Json files_json(const std::map<std::string, std::string>& files) {
  Json json = Json::object();
  for (const auto& [path, text] : files)
    json[path] = {{"sha256", sha256_hex(text)}, {"text", text}};
  return json;
}

/// What a later run compares with, and what a rerun takes: which tables and files there were.
Json found_json(const FoundValues& found) {
  Json json = Json::object();
  for (const auto& [task, values] : found) json[task.first][task.second] = values;
  return json;
}

std::string hash_of(const Json& content) { return sha256_hex(dump_json(content)); }

Result<Version> version_of(const Json& content) {
  Version version;
  WEIR_ASSIGN(const int64_t format, json_field<int64_t>(content, "format"));
  if (format != kFormat)
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("configuration version of format {}", format),
                          "a newer weir wrote it");
  WEIR_ASSIGN(const Json configuration, json_field<Json>(content, "configuration"));
  WEIR_ASSIGN(version.configuration, model::configuration_from_json(configuration));
  WEIR_ASSIGN(const Json files, json_field<Json>(content, "files"));
  for (const auto& [path, file] : files.items()) {
    WEIR_ASSIGN(version.files[path], json_field<std::string>(file, "text"));
  }
  version.hash = hash_of(content);
  version.content = content;
  return version;
}

/// A configuration taken apart, and found to be good.
struct Made {
  model::Configuration configuration;          ///< Resolved but for connections, and expanded.
  std::vector<model::Connection> connections;  ///< Resolved.
  std::map<std::string, std::string> files;
};

Faults read_files(const VersionInputs& inputs, const Places& places,
                  const model::Configuration& expanded, std::map<std::string, std::string>& files) {
  FileCollector collector(inputs, places, files);
  for (const auto& row : expanded.templates)
    if (!row.location.empty()) collector.template_file(row);
  for (const auto& flow : expanded.flows)
    for (const auto& task : flow.tasks) collector.task(flow, task);
  return std::move(collector.faults);
}

/// Which datasets a flow names is known once its lists are unrolled and its files read.
Checked<std::vector<model::Dataset>> datasets_of(const CommonRows& common,
                                                 const VersionInputs& inputs, const Places& places,
                                                 const model::Flow& flow,
                                                 const std::map<std::string, std::string>& files) {
  model::Configuration mentioned;
  mentioned.datasets = common.mentioned_in(flow, files);
  auto resolved = resolve(std::move(mentioned), inputs.variables, places, inputs.builtin,
                          Scope::kAllButConnections);
  if (!resolved) return std::unexpected(std::move(resolved).error());
  return std::move(resolved->datasets);
}

/// `read` is `written` with the bodies of its templates. Of `common` the datasets are taken that
/// its one flow names; nullptr: they are all there.
Checked<Made> make(const model::Configuration& written, model::Configuration read,
                   const CommonRows* common, const VersionInputs& inputs, const Places& places) {
  const bool is_of_one_flow = common != nullptr;
  auto stored =
      resolve(std::move(read), inputs.variables, places, inputs.builtin, Scope::kAllButConnections);
  if (!stored) return std::unexpected(std::move(stored).error());
  auto usable = resolve(*stored, inputs.variables, places, inputs.builtin, Scope::kConnections);
  if (!usable) return std::unexpected(std::move(usable).error());
  auto expanded = expand(*stored, places);
  Made made;
  Faults of_files;
  if (expanded) {
    made.files = std::move(expanded->files);
    of_files = read_files(inputs, places, expanded->configuration, made.files);
    if (is_of_one_flow) {
      auto datasets =
          datasets_of(*common, inputs, places, expanded->configuration.flows.front(), made.files);
      if (!datasets) return std::unexpected(std::move(datasets).error());
      usable->datasets = *datasets;
      expanded->configuration.datasets = *std::move(datasets);
    }
  }
  // It says best what is wrong with a task: its faults come first.
  auto faults = lint(*usable, {inputs.builtin, inputs.folder, &written, is_of_one_flow}, places);
  if (!faults.empty()) return std::unexpected(std::move(faults));
  if (!expanded) return std::unexpected(std::move(expanded).error());
  if (!of_files.empty()) return std::unexpected(std::move(of_files));
  made.connections = std::move(usable->connections);
  made.configuration = without_file_bodies(std::move(expanded->configuration));
  // Written out where they are used: those of other flows are none of this one's business.
  if (is_of_one_flow) made.configuration.calendars.clear();
  return made;
}

Version version_of(Made made, const std::string& flow_id, const VersionInputs& inputs) {
  Version version;
  version.flow_id = flow_id;
  version.content = {{"format", kFormat},
                     {"configuration", model::to_json(made.configuration)},
                     {"files", files_json(made.files)}};
  const Json found = found_json(inputs.variables.found);
  if (!found.empty()) version.content["found"] = found;
  version.hash = hash_of(version.content);
  version.configuration = std::move(made.configuration);
  version.configuration.connections = std::move(made.connections);
  version.files = std::move(made.files);
  return version;
}

}  // namespace

Checked<model::Configuration> check_configuration(const model::Configuration& head,
                                                  const VersionInputs& inputs) {
  const Places no_places;
  const Places& places = inputs.places == nullptr ? no_places : *inputs.places;
  auto read = read_templates(head, *inputs.folder, places);
  if (!read) return std::unexpected(std::move(read).error());
  auto made = make(head, *std::move(read), nullptr, inputs, places);
  if (!made) return std::unexpected(std::move(made).error());
  made->configuration.connections = std::move(made->connections);
  return std::move(made->configuration);
}

Checked<bool> sees_project(const CommonRows& common, const model::Flow& flow,
                           const VersionInputs& inputs) {
  const Places no_places;
  const auto asks = [&](const std::string& name) {
    const auto made = std::ranges::find(inputs.builtin, name, &task::Template::name);
    return made != inputs.builtin.end() &&
           std::ranges::find(made->params, task::Use::kReconciles, &task::Param::use) !=
               made->params.end();
  };
  auto templates = common.templates_of(flow, *inputs.folder,
                                       inputs.places == nullptr ? no_places : *inputs.places);
  if (!templates) return std::unexpected(std::move(templates).error());
  return std::ranges::any_of(flow.tasks,
                             [&](const auto& task) { return asks(task.template_id); }) ||
         std::ranges::any_of(*templates, [&](const auto& row) {
           return std::ranges::any_of(templates_named(row), asks);
         });
}

Checked<Version> make_project_version(const model::Configuration& head, const std::string& flow_id,
                                      const VersionInputs& inputs) {
  const Places no_places;
  const Places& places = inputs.places == nullptr ? no_places : *inputs.places;
  auto read = read_templates(head, *inputs.folder, places);
  if (!read) return std::unexpected(std::move(read).error());
  auto made = make(head, *std::move(read), nullptr, inputs, places);
  if (!made) return std::unexpected(std::move(made).error());
  return version_of(*std::move(made), flow_id, inputs);
}

Checked<Version> make_version(const CommonRows& common, model::Flow flow,
                              const VersionInputs& inputs) {
  const Places no_places;
  const Places& places = inputs.places == nullptr ? no_places : *inputs.places;
  const std::string flow_id = flow.flow_id;
  auto templates = common.templates_of(flow, *inputs.folder, places);
  if (!templates) return std::unexpected(std::move(templates).error());
  model::Configuration written = common.around(std::move(flow));
  written.templates = *std::move(templates);
  auto made = make(written, written, &common, inputs, places);
  if (!made) return std::unexpected(std::move(made).error());
  return version_of(*std::move(made), flow_id, inputs);
}

FoundValues found_in(const Json& content) {
  FoundValues found;
  const Json none = Json::object();
  const Json flows = content.value("found", none);
  for (const auto& [flow, tasks] : flows.items())
    for (const auto& [task, values] : tasks.items())
      found[{flow, task}] = std::vector<Json>(values.begin(), values.end());
  return found;
}

Status pin(catalog::Catalog& catalog, const Version& version, const std::string& author,
           const std::string& reason) {
  catalog::ConfigVersion row;
  row.hash = version.hash;
  row.flow_id = version.flow_id;
  row.author = author;
  row.reason = reason;
  row.content = version.content;
  WEIR_TRY(while_doing(catalog.add_config_version(row), "pinning the configuration"));
  return {};
}

Result<Version> read_version(catalog::Catalog& catalog, const std::string& hash,
                             const Variables& variables) {
  WEIR_ASSIGN(const catalog::ConfigVersion row, catalog.config_version(hash));
  if (hash_of(row.content) != hash)
    return fail(ErrorCode::kCorrupt, "configuration version {} holds the content of {}", hash,
                hash_of(row.content));
  auto version =
      while_doing(version_of(row.content), fmt::format("reading configuration version {}", hash));
  if (!version) return version;
  auto resolved = resolve(version->configuration, variables, {}, {}, Scope::kConnections);
  if (!resolved) return std::unexpected(as_one(resolved.error()));
  version->configuration = *std::move(resolved);
  return version;
}

}  // namespace weir::config
