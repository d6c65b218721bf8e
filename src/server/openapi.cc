#include "server/openapi.h"

#include <algorithm>
#include <cctype>

#include "server/route.h"
#include "server/schemas.h"

namespace weir::server {
namespace {

std::string_view object_text(Object object) {
  switch (object) {
    case Object::kServer: return "server";
    case Object::kFlows: return "flows";
    case Object::kFlow: return "flow";
    case Object::kRun: return "run";
    case Object::kHold: return "hold";
    case Object::kDataset: return "dataset";
  }
  return "";
}

std::string_view access_text(Access access) {
  switch (access) {
    case Access::kOpen: return "open";
    case Access::kSignIn: return "sign_in";
    case Access::kAccount: return "account";
    case Access::kRole: return "role";
  }
  return "";
}

Json refer(const std::string& schema) {
  return {{"schema", {{"$ref", "#/components/schemas/" + schema}}}};
}

Json parameters_json(const Route& route) {
  Json list = Json::array();
  for (const auto& name : path_parameters(route))
    list.push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  for (const auto& parameter : route.query)
    list.push_back({{"name", parameter.name},
                    {"in", "query"},
                    {"required", false},
                    {"description", parameter.summary},
                    {"schema", parameter.schema}});
  return list;
}

Json answers_json(const Route& route) {
  Json good = {{"description", "Done."}};
  if (!route.answer.empty())
    good["content"] = {{route.content_type, refer(route.answer)}};
  else if (route.status != 204)
    good["content"] = {
        {route.content_type,
         {{"schema", {{"type", route.content_type == "application/json" ? "object" : "string"}}}}}};
  const Json bad = {{"description", "It was not done; why stands in `code`, `detail` and `hint`."},
                    {"content", {{"application/problem+json", refer("Problem")}}}};
  Json answers = {{std::to_string(route.status), std::move(good)}, {"default", bad}};
  // A server that is not ready says why in the same words.
  if (route.name == "get_readiness")
    answers["503"] = {{"description", "Not ready."},
                      {"content", {{route.content_type, refer(route.answer)}}}};
  return answers;
}

Json operation_json(const Route& route) {
  Json json = {{"operationId", route.name},
               {"summary", route.summary},
               {"parameters", parameters_json(route)},
               {"responses", answers_json(route)},
               {"x-weir-access", access_text(route.access)}};
  if (route.access == Access::kRole) {
    json["x-weir-role"] = to_text(route.role);
    json["x-weir-object"] = object_text(route.object);
  }
  if (!route.body.empty())
    json["requestBody"] = {{"required", true},
                           {"content", {{"application/json", refer(route.body)}}}};
  if (route.access == Access::kOpen || route.access == Access::kSignIn)
    json["security"] = Json::array();
  return json;
}

std::string small(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string who_text(const Route& route) {
  switch (route.access) {
    case Access::kOpen: return "anybody";
    case Access::kSignIn: return "anybody, a few times a minute";
    case Access::kAccount: return "who is signed in";
    case Access::kRole: break;
  }
  switch (route.object) {
    case Object::kServer: return fmt::format("{} of all flows", to_text(route.role));
    case Object::kFlows: return fmt::format("{}: of their flows", to_text(route.role));
    default: return fmt::format("{} of the flow", to_text(route.role));
  }
}

}  // namespace

Json openapi_document(const std::string& version) {
  Json paths = Json::object();
  for (const Route& route : all_routes())
    paths[route.path][small(route.method)] = operation_json(route);
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "weir"},
            {"version", version},
            {"description", "Flows, runs and configuration of a weir server."},
            {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
          {"paths", std::move(paths)},
          {"security", Json::array({{{"token", Json::array()}}, {{"cookie", Json::array()}}})},
          {"components",
           {{"schemas", schemas()},
            {"securitySchemes",
             {{"token", {{"type", "http"}, {"scheme", "bearer"}}},
              {"cookie", {{"type", "apiKey"}, {"in", "cookie"}, {"name", "weir_session"}}}}}}}};
}

std::string routes_page() {
  std::string page =
      "# What a server answers\n\n`weir serve` answers these; `GET /v1/openapi.json` is the same "
      "as "
      "an OpenAPI 3.1 document, with the shape of what\ngoes in and comes out "
      "([openapi.json](openapi.json)). [Running a server](../guide/serve.md) says how to sign "
      "in.\n\n"
      "| request | who | what |\n| --- | --- | --- |\n";
  for (const Route& route : all_routes())
    page += fmt::format("| `{} {}` | {} | {} |\n", route.method, route.path, who_text(route),
                        route.summary);
  return page;
}

}  // namespace weir::server
