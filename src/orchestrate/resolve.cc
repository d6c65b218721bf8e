#include "orchestrate/resolve.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/instant.h"
#include "base/pattern.h"
#include "custody/chain.h"
#include "engine/sql_reading.h"
#include "inputs/discover.h"
#include "inputs/locations.h"

namespace weir::orchestrate {
namespace {

using inputs::HudiState;
using model::DatasetName;
using model::PinnedInput;
using model::Publication;
using task::Inputs;

/// The parts of one resolution that every kind of batching needs.
struct Resolver {
  const Services& services;
  const Pinned& pinned;
  const model::Flow& flow;
  const task::Template& made;
  const Json& params;
  const Cancel& cancel;

  const model::Configuration& configuration() const { return pinned.configuration; }

  std::string text_param(std::string_view name) const {
    const auto found = params.find(std::string(name));
    return found != params.end() && found->is_string() ? found->get<std::string>() : "";
  }
  std::vector<std::string> params_with(task::Use use) const {
    std::vector<std::string> values;
    for (const auto& param : made.params) {
      if (param.use == use) values.push_back(text_param(param.name));
    }
    return values;
  }

  Result<storage::Storage*> open_dataset(const DatasetName& name) const {
    WEIR_ASSIGN(const std::string uri,
                inputs::dataset_uri(configuration(), services.base_folder, name));
    return services.stores->open(uri);
  }

  /// Nothing of what the catalog knows of rejected rows is gone.
  Status verify_rejected(const DatasetName& name) const {
    WEIR_ASSIGN(const auto known, services.catalog->publications(name.rejected()));
    if (known.empty()) return {};
    WEIR_ASSIGN(storage::Storage * rejected, open_dataset(name.rejected()));
    return inputs::verify_presence(*rejected, known);
  }

  /// What a raw dataset holds: the lake's own word, and nothing of what the catalog knows is gone.
  Result<std::vector<Publication>> raw_publications(const DatasetName& name) const {
    WEIR_ASSIGN(storage::Storage * store, open_dataset(name));
    WEIR_ASSIGN(const auto known, services.catalog->publications(name));
    WEIR_TRY(inputs::verify_presence(*store, known));
    WEIR_TRY(verify_rejected(name));
    return inputs::read_raw(*store, name, known);
  }

  /// Root of the layer whose files the task reads, and the glob below it.
  Result<std::pair<std::string, std::string>> landing() const {
    const std::string from = params_with(task::Use::kConsumesFiles).at(0);
    const auto slash = from.find('/');
    WEIR_ASSIGN(std::string uri,
                inputs::layer_uri(configuration(), services.base_folder, from.substr(0, slash)));
    return std::pair(std::move(uri), from.substr(slash + 1));
  }

  /// The same of a Hudi dataset: its timeline, and the files of its newest version.
  Result<HudiState> hudi_state(const DatasetName& name) const {
    WEIR_ASSIGN(storage::Storage * store, open_dataset(name));
    WEIR_ASSIGN(auto state, inputs::read_hudi(*store, name, *services.clock, *services.random));
    WEIR_ASSIGN(const auto known, services.catalog->publications(name));
    WEIR_TRY(inputs::verify_hudi(*store, name, state, known));
    if (state.exists) WEIR_TRY(verify_rejected(name));
    return state;
  }

  Result<model::Target> target() const;
  Status add_files(Inputs& inputs) const;
  Result<std::vector<inputs::LandingFile>> landing_files(storage::Storage& landing,
                                                         inputs::LandingQuery query) const;
  Status each_file(Inputs& inputs, std::vector<std::string>& warnings) const;
  Status each_as_of(Inputs& inputs, bool new_objects_alone) const;
  Status latest(Inputs& inputs) const;
  Status source(Inputs& inputs) const;
  Status chain(Inputs& inputs) const;
};

Result<model::Target> Resolver::target() const {
  model::Target target;
  const auto produced = params_with(task::Use::kProduces);
  if (!produced.empty()) {
    WEIR_ASSIGN(target.dataset, model::parse_dataset_name(produced.front()));
    WEIR_ASSIGN(target.uri,
                inputs::dataset_uri(configuration(), services.base_folder, target.dataset));
    WEIR_ASSIGN(target.rejected_uri, inputs::dataset_uri(configuration(), services.base_folder,
                                                         target.dataset.rejected()));
    target.format = "hudi";
    if (const model::Dataset* dataset = configuration().find_dataset(target.dataset)) {
      target.schema = dataset->columns;
      target.key = dataset->key;
      target.contract = dataset->contract;
      target.options = dataset->options;
    }
  }
  for (const auto& param : made.params) {
    if (param.type != task::ParamType::kConnection) continue;
    // Of a table outside the lake only the dataset that it is loaded from says what must add up.
    for (const auto& source : params_with(task::Use::kConsumes)) {
      WEIR_ASSIGN(const auto name, model::parse_dataset_name(source));
      const model::Dataset* dataset = configuration().find_dataset(name);
      if (dataset == nullptr || !dataset->options.is_object()) continue;
      const auto control = dataset->options.find("control_columns");
      if (control != dataset->options.end()) target.options["control_columns"] = *control;
    }
    const std::string id = text_param(param.name);
    WEIR_ASSIGN(target.connection_options,
                inputs::connection_options(configuration(), services.base_folder, id));
    target.connection_id = id;
  }
  return target;
}

/// Contents of the files that parameters name, as the run pinned them.
Status Resolver::add_files(Inputs& inputs) const {
  for (const auto& param : made.params) {
    if (param.type != task::ParamType::kSqlFile) continue;
    const std::string path = text_param(param.name);
    const auto found = pinned.files.find(path);
    if (found == pinned.files.end())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("SQL file '{}' is not there", path),
                            "the path counts from the project folder");
    inputs.files[path] = found->second;
  }
  return {};
}

/// The landing files, of which only those are read that are new or changed since the catalog saw
/// them.
Result<std::vector<inputs::LandingFile>> Resolver::landing_files(storage::Storage& landing,
                                                                 inputs::LandingQuery query) const {
  query.now_us = services.clock->now_us();
  WEIR_ASSIGN(const auto known, services.catalog->hashed_files(query.uri));
  for (const auto& file : known)
    query.known[file.name] = {file.size_bytes, file.version, file.sha256};
  WEIR_ASSIGN(auto files, inputs::find_landing_files(landing, query, cancel));
  std::vector<catalog::HashedFile> read;
  for (const auto& file : files) {
    const auto before = query.known.find(file.object.name);
    const bool is_known = before != query.known.end() && before->second.version == file.version;
    if (!is_known && !file.version.empty())
      read.push_back({file.object.name, file.object.size_bytes, file.version, file.object.sha256});
  }
  WEIR_TRY(services.catalog->remember_files(query.uri, read));
  return files;
}

/// One file that a task names must be there; a pattern that none fits is worth a word.
Status say_nothing_found(const std::string& from, const inputs::LandingQuery& query,
                         std::vector<std::string>& warnings) {
  if (glob_prefix(query.glob) == query.glob)
    return fail_with_hint(ErrorCode::kNotFound,
                          fmt::format("landing file '{}' is not there: no file '{}' in {}", from,
                                      query.glob, query.uri),
                          "deliver it, or mend the parameter `from` or the layer's uri");
  warnings.push_back(fmt::format("no file fits '{}': nothing in {} has a name like '{}'", from,
                                 query.uri, query.glob));
  return {};
}

Status Resolver::each_file(Inputs& inputs, std::vector<std::string>& warnings) const {
  WEIR_ASSIGN(const auto from, landing());
  inputs::LandingQuery query;
  std::tie(query.uri, query.glob) = from;
  if (const std::string as_of = text_param("as_of"); !as_of.empty()) {
    WEIR_ASSIGN(query.as_of, Pattern::compile(as_of));
  }
  const model::Dataset* dataset = configuration().find_dataset(inputs.target.dataset);
  query.identity = dataset != nullptr ? dataset->identity : model::Identity::kContent;
  if (query.identity == model::Identity::kAsOfAndContent && !query.as_of)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("dataset {} has identity 'as_of + content', but no as_of is declared",
                    inputs.target.dataset.text()),
        "give the task `as_of: 'name-(?<as_of>\\d{8})'`");
  WEIR_ASSIGN(storage::Storage * landing, services.stores->open(query.uri));
  WEIR_ASSIGN(const auto files, landing_files(*landing, query));
  if (files.empty())
    WEIR_TRY(say_nothing_found(params_with(task::Use::kConsumesFiles).at(0), query, warnings));

  std::set<std::string> done;
  WEIR_ASSIGN(const auto publications, raw_publications(inputs.target.dataset));
  for (const auto& publication : publications)
    done.insert(publication.input_identities.begin(), publication.input_identities.end());
  // A dataset without declared columns keeps the schema that its first file showed.
  if (inputs.target.schema.empty() && !publications.empty()) {
    WEIR_ASSIGN(inputs.target.schema, model::schema_from_json(publications.front().schema));
  }
  for (const auto& file : files) {
    if (!done.insert(file.identity).second) continue;
    PinnedInput input;
    input.format = "file";
    input.uri = query.uri;
    input.as_of_us = file.object.as_of_us;
    input.objects = {file.object};
    inputs.hops.push_back({{std::move(input)}, file.object.as_of_us});
  }
  return {};
}

Status Resolver::each_as_of(Inputs& inputs, bool new_objects_alone) const {
  WEIR_ASSIGN(const DatasetName source,
              model::parse_dataset_name(params_with(task::Use::kConsumes).at(0)));
  WEIR_ASSIGN(storage::Storage * raw, open_dataset(source));
  WEIR_ASSIGN(const auto publications, raw_publications(source));
  WEIR_ASSIGN(const HudiState state, hudi_state(inputs.target.dataset));
  std::set<std::string> consumed;
  for (const auto& commit : state.publications)
    consumed.insert(commit.input_identities.begin(), commit.input_identities.end());
  WEIR_ASSIGN(const auto holds, services.catalog->holds("rejected"));
  std::set<std::optional<int64_t>> retired;
  for (const auto& hold : holds) {
    if (hold.target == inputs.target.dataset && hold.facts.contains("as_of")) {
      WEIR_ASSIGN(const int64_t at_us, parse_instant(hold.facts.at("as_of").get<std::string>()));
      retired.insert(at_us);
    }
  }

  WEIR_ASSIGN(storage::Storage * rejected, open_dataset(source.rejected()));
  WEIR_ASSIGN(const auto known_rejected, services.catalog->publications(source.rejected()));
  WEIR_ASSIGN(const auto rejected_publications,
              inputs::read_raw(*rejected, source.rejected(), known_rejected));
  std::map<std::optional<int64_t>, std::vector<const Publication*>> by_as_of;
  const auto was_consumed = [&](const Publication& each) {
    return !each.input_identities.empty() && consumed.contains(each.input_identities.front());
  };
  for (const auto& publication : publications) {
    if (new_objects_alone && was_consumed(publication)) continue;
    by_as_of[publication.as_of_us].push_back(&publication);
  }
  for (const auto& [as_of_us, objects] : by_as_of) {
    const bool is_consumed =
        std::ranges::all_of(objects, [&](const Publication* each) { return was_consumed(*each); });
    if (is_consumed || retired.contains(as_of_us)) continue;
    PinnedInput input;
    input.dataset = source;
    input.format = "parquet";
    input.uri = raw->uri();
    input.as_of_us = as_of_us;
    PinnedInput rejects;
    rejects.dataset = source.rejected();
    rejects.format = "parquet";
    rejects.uri = rejected->uri();
    for (const Publication* each : objects) {
      input.objects.push_back(inputs::pinned_object(raw->uri(), *each));
      WEIR_ASSIGN(const auto columns, model::schema_from_json(each->schema));
      for (const auto& column : columns) {
        if (model::find_column(input.schema, column.name) == nullptr)
          input.schema.push_back(column);
      }
      for (const auto& reject : rejected_publications) {
        if (reject.object_name == each->object_name)
          rejects.objects.push_back(inputs::pinned_object(rejected->uri(), reject));
      }
    }
    Inputs::Hop hop;
    hop.as_of_us = as_of_us;
    hop.inputs.push_back(std::move(input));
    if (!rejects.objects.empty()) hop.inputs.push_back(std::move(rejects));
    inputs.hops.push_back(std::move(hop));
  }
  return {};
}

Status Resolver::latest(Inputs& inputs) const {
  std::vector<DatasetName> datasets;
  for (const auto& text : params_with(task::Use::kConsumes)) {
    WEIR_ASSIGN(DatasetName name, model::parse_dataset_name(text));
    datasets.push_back(std::move(name));
  }
  for (const auto& [path, content] : inputs.files) {
    auto facts = engine::read_sql("duckdb", content);
    if (!facts) {
      Error fault = std::move(facts).error();
      if (fault.place) fault.place->file = path;
      return std::unexpected(std::move(fault).while_doing(fmt::format("reading {}", path)));
    }
    datasets.insert(datasets.end(), facts->datasets.begin(), facts->datasets.end());
  }
  // A target that lost something is not left so because its inputs are the same as ever.
  if (!inputs.target.dataset.empty()) WEIR_TRY(hudi_state(inputs.target.dataset));
  Inputs::Hop hop;
  for (const auto& name : datasets) {
    WEIR_ASSIGN(const HudiState state, hudi_state(name));
    if (!state.exists) WEIR_TRY(raw_publications(name));
    WEIR_ASSIGN(storage::Storage * store, open_dataset(name));
    WEIR_ASSIGN(const auto known, services.catalog->publications(name));
    WEIR_ASSIGN(PinnedInput input,
                inputs::pin_latest(*store, name, *services.clock, *services.random, "", known));
    hop.inputs.push_back(std::move(input));
  }
  inputs.hops.push_back(std::move(hop));
  return {};
}

/// How far the lake has come with what is read outside. How far it goes there only the read itself
/// says: nobody is connected to yet.
Status Resolver::source(Inputs& inputs) const {
  WEIR_ASSIGN(const auto publications, raw_publications(inputs.target.dataset));
  // A dataset without declared columns keeps the schema that it has.
  if (inputs.target.schema.empty() && !publications.empty()) {
    WEIR_ASSIGN(inputs.target.schema, model::schema_from_json(publications.back().schema));
  }
  WEIR_ASSIGN(storage::Storage * store, open_dataset(inputs.target.dataset));
  inputs.source = {{"key", inputs::source_key(params)}, {"from", Json()}, {"after", Json()}};
  WEIR_ASSIGN(inputs.source["from"],
              inputs::newest_watermark(*store, publications, inputs::source_key(params)));
  if (!publications.empty() && publications.back().as_of_us)
    inputs.source["after"] = format_instant(*publications.back().as_of_us);
  inputs.hops.emplace_back();
  return {};
}

/// What the catalog records of the chain now: the executor asks no catalog.
Status Resolver::chain(Inputs& inputs) const {
  std::vector<std::string> names;
  for (const auto& param : made.params) {
    if (param.use != task::Use::kReconciles || !params.contains(param.name)) continue;
    for (const auto& name : params.at(param.name))
      if (name.is_string()) names.push_back(name.get<std::string>());
  }
  custody::Selection selection = custody::written_by(configuration(), flow);
  if (!names.empty()) {
    WEIR_ASSIGN(selection, custody::select(configuration(), names));
  }
  const custody::Records records{
      [this](const DatasetName& name) { return services.catalog->publications(name); },
      [this](const std::string& connection, const std::string& table) {
        return catalog::newest_load(*services.catalog, connection, table);
      }};
  WEIR_ASSIGN(const auto described,
              custody::describe(configuration(), services.base_folder, selection, records));
  inputs.chain = custody::to_json(described);
  return {};
}

}  // namespace

Result<DatasetName> produced_dataset(const task::Template& made, const Json& params) {
  for (const auto& param : made.params) {
    if (param.use != task::Use::kProduces || !params.contains(param.name)) continue;
    WEIR_ASSIGN(const std::string text, json_field<std::string>(params, param.name));
    return model::parse_dataset_name(text);
  }
  return DatasetName{};
}

Result<Resolution> resolve_inputs(const Services& services, const Pinned& pinned,
                                  const model::Flow& flow, const task::Template& made,
                                  const Json& params, const Cancel& cancel) {
  const Resolver resolver{services, pinned, flow, made, params, cancel};
  Resolution resolution;
  Inputs& inputs = resolution.inputs;
  WEIR_ASSIGN(inputs.target, resolver.target());
  WEIR_TRY(resolver.add_files(inputs));
  switch (made.batching) {
    case task::Batching::kEachFile:
      WEIR_TRY(resolver.each_file(inputs, resolution.warnings));
      break;
    case task::Batching::kEachAsOf: WEIR_TRY(resolver.each_as_of(inputs, false)); break;
    case task::Batching::kNewRows: WEIR_TRY(resolver.each_as_of(inputs, true)); break;
    case task::Batching::kLatest: WEIR_TRY(resolver.latest(inputs)); break;
    case task::Batching::kSource: WEIR_TRY(resolver.source(inputs)); break;
    case task::Batching::kChain: WEIR_TRY(resolver.chain(inputs)); break;
    case task::Batching::kNone: break;
  }
  return resolution;
}

Json to_json(const Inputs& inputs) {
  Json hops = Json::array();
  for (const auto& hop : inputs.hops) {
    Json list = Json::array();
    for (const auto& input : hop.inputs) list.push_back(model::to_json(input));
    hops.push_back({{"as_of", hop.as_of_us ? Json(format_instant(*hop.as_of_us)) : Json()},
                    {"inputs", std::move(list)}});
  }
  model::Operation carrier;  // a target has no JSON of its own but within an operation
  carrier.target = inputs.target;
  Json json = {
      {"hops", std::move(hops)}, {"target", model::to_json(carrier)}, {"files", inputs.files}};
  if (!inputs.chain.is_null()) json["chain"] = inputs.chain;
  if (!inputs.source.is_null()) json["source"] = inputs.source;
  return json;
}

Result<Inputs> inputs_from_json(const Json& json) {
  Inputs inputs;
  WEIR_ASSIGN(const Json hops, json_field<Json>(json, "hops"));
  for (const auto& item : hops) {
    Inputs::Hop hop;
    WEIR_ASSIGN(const std::string as_of, json_field_or<std::string>(item, "as_of", ""));
    if (!as_of.empty()) {
      WEIR_ASSIGN(hop.as_of_us, parse_instant(as_of));
    }
    WEIR_ASSIGN(const Json list, json_field<Json>(item, "inputs"));
    for (const auto& each : list) {
      WEIR_ASSIGN(PinnedInput input, model::pinned_input_from_json(each));
      hop.inputs.push_back(std::move(input));
    }
    inputs.hops.push_back(std::move(hop));
  }
  WEIR_ASSIGN(const Json target, json_field<Json>(json, "target"));
  WEIR_ASSIGN(const auto carrier, model::operation_from_json(target));
  inputs.target = carrier.target;
  WEIR_ASSIGN(const Json files, json_field_or<Json>(json, "files", Json::object()));
  for (const auto& [path, content] : files.items()) {
    if (content.is_string()) inputs.files[path] = content.get<std::string>();
  }
  WEIR_ASSIGN(inputs.chain, json_field_or<Json>(json, "chain", Json()));
  WEIR_ASSIGN(inputs.source, json_field_or<Json>(json, "source", Json()));
  return inputs;
}

Status put_in_place(const Services& services, const Pinned& pinned, const model::Flow& flow,
                    const task::Template& made, const Json& params, const Cancel& cancel,
                    Inputs& inputs) {
  const Resolver resolver{services, pinned, flow, made, params, cancel};
  WEIR_ASSIGN(const model::Target now, resolver.target());
  inputs.target.uri = now.uri;
  inputs.target.rejected_uri = now.rejected_uri;
  inputs.target.connection_options = now.connection_options;
  for (auto& hop : inputs.hops) {
    for (auto& input : hop.inputs) {
      std::string uri;
      if (input.dataset.empty()) {
        WEIR_ASSIGN(const auto from, resolver.landing());
        uri = from.first;
      } else {
        WEIR_ASSIGN(uri,
                    inputs::dataset_uri(pinned.configuration, services.base_folder, input.dataset));
      }
      for (auto& object : input.objects) {
        if (object.uri == input.uri) object.uri = uri;
      }
      input.uri = std::move(uri);
    }
  }
  if (inputs.chain.is_null()) return {};
  WEIR_ASSIGN(auto chain, custody::chain_from_json(inputs.chain));
  WEIR_TRY(custody::put_in_place(pinned.configuration, services.base_folder, chain));
  inputs.chain = custody::to_json(chain);
  return {};
}

}  // namespace weir::orchestrate
