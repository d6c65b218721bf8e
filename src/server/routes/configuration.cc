#include <algorithm>

#include "server/routes.h"

namespace weir::server {
namespace {

Json version_json(const catalog::ConfigVersion& version) {
  return {{"hash", version.hash},
          {"flow_id", version.flow_id},
          {"created_at", instant_json(version.created_at_us)},
          {"author", version.author},
          {"reason", version.reason}};
}

Json parameter_json(const task::Param& param) {
  return {{"name", param.name},
          {"type", to_text(param.type)},
          {"required", param.is_required},
          {"default", param.otherwise},
          {"doc", param.doc},
          {"choices", param.choices},
          {"least", param.least ? Json(*param.least) : Json()},
          {"greatest", param.greatest ? Json(*param.greatest) : Json()}};
}

Json builtin_json(const task::Template& made) {
  Json params = Json::array();
  for (const auto& param : made.params) params.push_back(parameter_json(param));
  return {{"template_id", made.name},
          {"kind", "builtin"},
          {"summary", made.summary},
          {"params", std::move(params)}};
}

/// Builtin ones, then the rows of `template`.
Result<Json> all_templates(const Call& call) {
  Json list = Json::array();
  for (const auto& made : call.ground->templates) list.push_back(builtin_json(made));
  WEIR_ASSIGN(const auto rows, call.catalog().config_rows());
  for (const auto& row : rows) {
    if (row.table != "template") continue;
    Json params = Json::array();
    for (const auto& [name, param] : row.values.at("params_schema").items()) {
      const Json said = param.is_object() ? param : Json::object();
      params.push_back({{"name", name},
                        {"type", said.value("type", Json("text"))},
                        {"required", !said.contains("default")},
                        {"default", said.value("default", Json())},
                        {"doc", said.value("doc", Json(""))},
                        {"choices", Json::array()},
                        {"least", Json()},
                        {"greatest", Json()}});
    }
    list.push_back({{"template_id", row.key.front()},
                    {"kind", row.values.at("kind")},
                    {"summary", row.values.at("description")},
                    {"params", std::move(params)}});
  }
  return list;
}

}  // namespace

Result<Answer> get_configuration(const Call& call) {
  WEIR_ASSIGN(const auto rows, call.catalog().config_rows());
  Json list = Json::array();
  for (const auto& row : rows) list.push_back(row_json(row));
  return json_answer({{"rows", std::move(list)}});
}

Result<Answer> list_configuration_versions(const Call& call) {
  WEIR_ASSIGN(const auto versions,
              call.catalog().config_versions(call.text("flow_id"), call.number("limit", 200)));
  Json list = Json::array();
  for (const auto& version : versions) list.push_back(version_json(version));
  return json_answer({{"versions", std::move(list)}});
}

Result<Answer> get_configuration_version(const Call& call) {
  WEIR_ASSIGN(const auto version, call.catalog().config_version(call.path.at("hash")));
  Json json = version_json(version);
  json["content"] = version.content;
  return json_answer(json);
}

Result<Answer> plan_configuration(const Call& call) {
  if (!call.ground->actions->plan) return not_served("plan configurations");
  WEIR_ASSIGN(const auto plan, call.ground->actions->plan(call.body.value("prune", false)));
  return json_answer({{"plan", plan.plan}, {"hash", plan.hash}, {"is_empty", plan.is_empty}});
}

Result<Answer> apply_configuration(const Call& call) {
  if (!call.ground->actions->apply) return not_served("apply configurations");
  WEIR_TRY(call.ground->actions->apply(call.body.value("prune", false),
                                       call.body.at("hash").get<std::string>(),
                                       call.caller.author));
  Answer answer;
  answer.status = 204;
  return answer;
}

Result<Answer> list_templates(const Call& call) {
  WEIR_ASSIGN(Json list, all_templates(call));
  return json_answer({{"templates", std::move(list)}});
}

Result<Answer> get_template(const Call& call) {
  WEIR_ASSIGN(const Json list, all_templates(call));
  const std::string& id = call.path.at("template_id");
  const auto found =
      std::ranges::find_if(list, [&](const Json& each) { return each["template_id"] == id; });
  if (found == list.end()) return fail(ErrorCode::kNotFound, "there is no template '{}'", id);
  return json_answer(*found);
}

}  // namespace weir::server
