#include "lineage/event.h"

#include <array>

#include "base/digest.h"
#include "base/instant.h"

namespace weir::lineage {
namespace {

constexpr std::string_view kSpecification = "https://openlineage.io/spec/2-0-2/OpenLineage.json";

std::string facet_url(std::string_view version, std::string_view name) {
  return fmt::format("https://openlineage.io/spec/facets/{}/{}.json#/$defs/{}", version, name,
                     name);
}

/// Makes the parts of one event; each facet says who made it and what it looks like.
class Writer {
 public:
  explicit Writer(const std::string& version)
      : version_(version), producer_("urn:weir:" + version) {}

  const std::string& producer() const { return producer_; }

  Json facet(std::string_view version, std::string_view name, Json fields) const {
    fields["_producer"] = producer_;
    fields["_schemaURL"] = facet_url(version, name);
    return fields;
  }

  Json run(const Event& event) const {
    Json facets = {{"processing_engine", facet("1-1-1", "ProcessingEngineRunFacet",
                                               {{"name", "weir"}, {"version", version_}})}};
    if (event.parent) {
      const Json parent = {
          {"run", {{"runId", event.parent->run_id}}},
          {"job", {{"namespace", event.job.name_space}, {"name", event.parent->job_name}}}};
      Json with_root = parent;
      with_root["root"] = parent;
      facets["parent"] = facet("1-2-0", "ParentRunFacet", std::move(with_root));
    }
    if (event.interval_end_us != 0)
      facets["nominalTime"] = facet("1-0-1", "NominalTimeRunFacet",
                                    {{"nominalStartTime", format_instant(event.interval_start_us)},
                                     {"nominalEndTime", format_instant(event.interval_end_us)}});
    if (!event.error.empty())
      facets["errorMessage"] = facet("1-0-1", "ErrorMessageRunFacet",
                                     {{"message", event.error}, {"programmingLanguage", "weir"}});
    if (!event.own.empty()) {
      facets["weir"] = event.own;
      facets["weir"]["_producer"] = producer_;
      facets["weir"]["_schemaURL"] = "urn:weir:facet:run:1";
    }
    return {{"runId", event.run_id}, {"facets", std::move(facets)}};
  }

  Json job(const Job& job) const {
    Json facets = {
        {"jobType",
         facet("2-0-4", "JobTypeJobFacet",
               {{"processingType", "BATCH"}, {"integration", "WEIR"}, {"jobType", job.type}})}};
    if (!job.description.empty())
      facets["documentation"] =
          facet("1-1-0", "DocumentationJobFacet", {{"description", job.description}});
    if (!job.owner.empty())
      facets["ownership"] =
          facet("1-0-1", "OwnershipJobFacet", {{"owners", Json::array({{{"name", job.owner}}})}});
    if (!job.sql.empty())
      facets["sql"] = facet("1-1-0", "SQLJobFacet", {{"query", job.sql}, {"dialect", "duckdb"}});
    return {{"namespace", job.name_space}, {"name", job.name}, {"facets", std::move(facets)}};
  }

  Json dataset(const Dataset& dataset, std::string_view job_space) const {
    Json facets = {{"dataSource", facet("1-0-1", "DatasourceDatasetFacet",
                                        {{"name", dataset.id.name_space},
                                         {"uri", uri_of({dataset.id.name_space, "/"})}})}};
    if (!dataset.schema.empty())
      facets["schema"] =
          facet("1-2-0", "SchemaDatasetFacet", {{"fields", fields_of(dataset.schema)}});
    if (!dataset.own_name.empty())
      facets["symlinks"] = facet(
          "1-0-1", "SymlinksDatasetFacet",
          {{"identifiers",
            Json::array(
                {{{"namespace", job_space}, {"name", dataset.own_name}, {"type", "TABLE"}}})}});
    if (!dataset.columns.empty() || !dataset.rows.empty()) {
      Json columns = {{"fields", columns_of(dataset.columns)}};
      if (!dataset.rows.empty()) columns["dataset"] = inputs_of(dataset.rows);
      facets["columnLineage"] = facet("1-2-0", "ColumnLineageDatasetFacet", std::move(columns));
    }
    return {{"namespace", dataset.id.name_space},
            {"name", dataset.id.name},
            {"facets", std::move(facets)}};
  }

  Json input(const Dataset& dataset, std::string_view job_space) const {
    Json json = this->dataset(dataset, job_space);
    if (const Json amount = amount_of(dataset.amount); !amount.empty())
      json["inputFacets"] = {
          {"inputStatistics", facet("1-0-0", "InputStatisticsInputDatasetFacet", amount)}};
    return json;
  }

  Json output(const Dataset& dataset, std::string_view job_space) const {
    Json json = this->dataset(dataset, job_space);
    if (const Json amount = amount_of(dataset.amount); !amount.empty())
      json["outputFacets"] = {
          {"outputStatistics", facet("1-0-2", "OutputStatisticsOutputDatasetFacet", amount)}};
    return json;
  }

 private:
  static Json amount_of(const Amount& amount) {
    Json json = Json::object();
    if (amount.rows >= 0) json["rowCount"] = amount.rows;
    if (amount.bytes >= 0) json["size"] = amount.bytes;
    if (amount.files >= 0) json["fileCount"] = amount.files;
    return json;
  }

  static Json fields_of(const model::Schema& schema) {
    Json fields = Json::array();
    for (const auto& column : schema) {
      Json field = {{"name", column.name}, {"type", model::to_text(column.type)}};
      field["ordinal_position"] = fields.size() + 1;
      if (column.type.kind == model::TypeKind::kStruct) {
        field["type"] = "struct";
        field["fields"] = fields_of(column.type.children);
      }
      fields.push_back(std::move(field));
    }
    return fields;
  }

  static Json columns_of(const ColumnLineage& columns) {
    Json fields = Json::object();
    for (const auto& [name, inputs] : columns) fields[name] = {{"inputFields", inputs_of(inputs)}};
    return fields;
  }

  /// One entry a column, with all that becomes of it.
  static Json inputs_of(const std::set<InputField>& inputs) {
    Json list = Json::array();
    const InputField* before = nullptr;
    for (const auto& input : inputs) {
      if (before == nullptr || before->dataset != input.dataset || before->column != input.column)
        list.push_back({{"namespace", input.dataset.name_space},
                        {"name", input.dataset.name},
                        {"field", input.column},
                        {"transformations", Json::array()}});
      list.back()["transformations"].push_back(transformation_of(input.use));
      before = &input;
    }
    return list;
  }

  static Json transformation_of(model::ColumnUse use) {
    std::string subtype(model::to_text(use));
    for (char& c : subtype)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    Json json = {{"type", model::is_direct(use) ? "DIRECT" : "INDIRECT"}, {"subtype", subtype}};
    // Of what is computed nobody knows whether the value can be told from it.
    if (use == model::ColumnUse::kIdentity) json["masking"] = false;
    return json;
  }

  const std::string& version_;
  const std::string producer_;
};

}  // namespace

std::string_view to_text(EventType type) {
  constexpr std::array<std::string_view, 4> kWords = {"START", "COMPLETE", "FAIL", "ABORT"};
  return kWords[static_cast<size_t>(type)];
}

Json to_json(const Event& event, const std::string& version) {
  const Writer writer(version);
  Json json = {{"eventType", to_text(event.type)},
               {"eventTime", format_instant(event.at_us)},
               {"producer", writer.producer()},
               {"schemaURL", fmt::format("{}#/$defs/RunEvent", kSpecification)},
               {"run", writer.run(event)},
               {"job", writer.job(event.job)},
               {"inputs", Json::array()},
               {"outputs", Json::array()}};
  for (const auto& each : event.inputs)
    json["inputs"].push_back(writer.input(each, event.job.name_space));
  for (const auto& each : event.outputs)
    json["outputs"].push_back(writer.output(each, event.job.name_space));
  return json;
}

std::string derived_uuid7(int64_t at_us, std::string_view what) {
  const std::string hash = sha256_hex(what);
  const std::string time =
      fmt::format("{:012x}", static_cast<uint64_t>(at_us / 1000) & 0xFFFF'FFFF'FFFFU);
  constexpr std::string_view kVariants = "89ab";  // RFC 9562: the bits 10
  const auto variant =
      kVariants[static_cast<size_t>(hash[3] <= '9' ? hash[3] - '0' : hash[3] - 'a' + 10) % 4];
  return fmt::format("{}-{}-7{}-{}{}-{}", time.substr(0, 8), time.substr(8), hash.substr(0, 3),
                     variant, hash.substr(4, 3), hash.substr(7, 12));
}

}  // namespace weir::lineage
