#include "config/json_schema.h"

#include "config/declarations.h"

namespace weir::config {
namespace {

using task::ParamType;

Json type_of(const task::Param& param) {
  switch (param.type) {
    case ParamType::kInteger: return {{"type", "integer"}};
    case ParamType::kNumber: return {{"type", "number"}};
    case ParamType::kBoolean: return {{"type", "boolean"}};
    case ParamType::kNames:
      return {{"type", Json::array({"string", "array"})}, {"items", {{"type", "string"}}}};
    case ParamType::kChoice: return {{"type", "string"}, {"enum", param.choices}};
    case ParamType::kJson: return Json::object();
    case ParamType::kText: return {{"type", "string"}};
    default: break;
  }
  return {{"type", "string"}};
}

/// Where the template is this one, `with` takes these parameters.
Json rule_of(const task::Template& made) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& param : made.params) {
    properties[param.name] = json_schema(param);
    if (param.is_required) required.push_back(param.name);
  }
  Json with = {{"type", "object"},
               {"description", made.summary},
               {"properties", std::move(properties)},
               {"additionalProperties", false}};
  Json then = {{"properties", {{"with", nullptr}}}};
  if (!required.empty()) {
    with["required"] = std::move(required);
    then["required"] = Json::array({"with"});
  }
  then["properties"]["with"] = std::move(with);
  return {{"if", {{"properties", {{"template", {{"const", made.name}}}}}}},
          {"then", std::move(then)}};
}

}  // namespace

Json json_schema(const task::Param& param) {
  Json schema = type_of(param);
  if (param.least) schema["minimum"] = *param.least;
  if (param.greatest) schema["maximum"] = *param.greatest;
  const bool takes_text = param.type == ParamType::kJson ||
                          (schema["type"] == "string" && param.type != ParamType::kChoice) ||
                          schema["type"].is_array();
  if (!takes_text) {
    const Json variable = {{"type", "string"}, {"pattern", R"(\$\{|\{\{)"}};
    schema = Json{{"anyOf", Json::array({std::move(schema), variable})}};
  }
  schema["description"] = param.doc;
  if (!param.otherwise.is_null()) schema["default"] = param.otherwise;
  return schema;
}

Json json_schema(std::span<const task::Template> builtin) {
  Json task = task_keys().schema();
  Json rules = Json::array();
  for (const auto& made : builtin) rules.push_back(rule_of(made));
  if (!rules.empty()) task["allOf"] = std::move(rules);
  Json flow = flow_keys().schema();
  flow["properties"]["tasks"]["items"] = Json{{"$ref", "#/$defs/task"}};
  return {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
          {"title", "weir project files"},
          {"$defs",
           {{"task", std::move(task)},
            {"flow", std::move(flow)},
            {"project", project_keys().schema()},
            {"rows", rows_keys().schema()}}},
          {"type", "object"},
          {"if", {{"required", Json::array({"flow"})}}},
          {"then", {{"$ref", "#/$defs/flow"}}},
          {"else",
           {{"if", {{"required", Json::array({"project"})}}},
            {"then", {{"$ref", "#/$defs/project"}}},
            {"else", {{"$ref", "#/$defs/rows"}}}}}};
}

}  // namespace weir::config
