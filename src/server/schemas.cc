#include "server/schemas.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "catalog/catalog.h"

namespace weir::server {
namespace {

using Fields = std::vector<std::pair<std::string, Json>>;

Json with_summary(Json schema, std::string_view summary) {
  if (!summary.empty()) schema["description"] = summary;
  return schema;
}
Json text(std::string_view summary = "") { return with_summary({{"type", "string"}}, summary); }
Json number(std::string_view summary = "") { return with_summary({{"type", "integer"}}, summary); }
Json flag(std::string_view summary = "") { return with_summary({{"type", "boolean"}}, summary); }
Json anything(std::string_view summary = "") { return with_summary(Json::object(), summary); }
Json open_object(std::string_view summary = "") {
  return with_summary({{"type", "object"}}, summary);
}
Json instant(std::string_view summary = "") {
  return with_summary({{"type", {"string", "null"}}, {"format", "date-time"}}, summary);
}
Json one_of(const std::vector<std::string>& words) { return {{"type", "string"}, {"enum", words}}; }
Json list_of(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }
Json counts_by_name(std::string_view summary = "") {
  return with_summary({{"type", "object"}, {"additionalProperties", {{"type", "integer"}}}},
                      summary);
}
Json refer(std::string_view name) {
  return {{"$ref", fmt::format("#/components/schemas/{}", name)}};
}

/// All fields are there, and no others.
Json object(const Fields& fields, const std::vector<std::string>& optional = {}) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& [name, schema] : fields) {
    properties[name] = schema;
    if (std::ranges::find(optional, name) == optional.end()) required.push_back(name);
  }
  Json schema = {
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

/// A page of a list, and where the next one begins.
Json page_of(const std::string& name, std::string_view item) {
  return object(
      {{name, list_of(refer(item))},
       {"next",
        {{"type", {"string", "null"}},
         {"description", "Give it as `cursor` for the next page; null: that was all."}}}});
}

std::vector<std::string> run_states() {
  std::vector<std::string> states;
  for (const auto state :
       {catalog::RunState::kQueued, catalog::RunState::kRunning, catalog::RunState::kSucceeded,
        catalog::RunState::kFailed, catalog::RunState::kHeld, catalog::RunState::kCancelled,
        catalog::RunState::kSkipped})
    states.emplace_back(to_text(state));
  return states;
}

std::vector<std::string> task_states() {
  std::vector<std::string> states;
  for (const auto state :
       {catalog::TaskState::kWaiting, catalog::TaskState::kReady, catalog::TaskState::kRunning,
        catalog::TaskState::kSucceeded, catalog::TaskState::kFailed, catalog::TaskState::kHeld,
        catalog::TaskState::kSkipped, catalog::TaskState::kCancelled})
    states.emplace_back(to_text(state));
  return states;
}

void add_runs(Json& all) {
  all["Run"] = object(
      {{"run_id", text()},
       {"flow_id", text()},
       {"run_key", text("Unique for its flow.")},
       {"state", one_of(run_states())},
       {"config_hash", text("Version of the configuration that it pins.")},
       {"params", open_object()},
       {"trigger", text("`manual`, `scheduled`, `file`, `rerun`, …")},
       {"rerun_of", text("Empty: of none.")},
       {"backfill_id", text("Empty: of none.")},
       {"logical_time", instant()},
       {"interval_start", instant()},
       {"interval_end", instant()},
       {"time_zone_release", text("Of the time zone database that its schedule was read by; empty: "
                                  "none.")},
       {"created_at", instant()},
       {"started_at", instant()},
       {"finished_at", instant()},
       {"is_served", flag()},
       {"cancel_requested", flag()},
       {"error_code", text()},
       {"error_text", text()}});
  all["TakenEvents"] = object({{"new_events", number("Those that were not known.")}});
  all["RunPage"] = page_of("runs", "Run");
  all["Task"] = object({{"task_id", text()},
                        {"template_id", text()},
                        {"state", one_of(task_states())},
                        {"attempt", number()},
                        {"engine", text()},
                        {"counts", counts_by_name("Rows, by what became of them.")},
                        {"operations", list_of(anything())},
                        {"details", open_object()},
                        {"held_reason", text()},
                        {"error_code", text()},
                        {"error_text", text()},
                        {"error_hint", text()},
                        {"started_at", instant()},
                        {"finished_at", instant()},
                        {"not_before", instant("When the next attempt begins.")},
                        {"cpu_ms", number()},
                        {"peak_memory_bytes", number()}});
  all["TaskList"] = object({{"tasks", list_of(refer("Task"))}});
  all["LogLine"] = object({{"id", number()},
                           {"at", instant()},
                           {"task_id", text()},
                           {"attempt", number()},
                           {"level", text()},
                           {"message", text()}});
  all["LogPage"] = object({{"lines", list_of(refer("LogLine"))},
                           {"next", number("Give it as `after` for the lines behind these.")},
                           {"is_final", flag("The run has ended: no lines will come.")}});
  all["Reconciliation"] = object({{"task_id", text()},
                                  {"token", text()},
                                  {"hop", text()},
                                  {"counts", counts_by_name()},
                                  {"is_closed", flag()},
                                  {"sums", open_object()}});
  all["ReconciliationList"] = object({{"reconciliations", list_of(refer("Reconciliation"))}});
}

void add_flows(Json& all) {
  const Json schedule = {{"type", {"object", "null"}}, {"description", "The row of `schedule`."}};
  all["FlowLine"] = object({{"flow_id", text()},
                            {"description", text()},
                            {"owner", text()},
                            {"is_enabled", flag()},
                            {"is_paused", flag()},
                            {"task_count", number()},
                            {"schedule", schedule},
                            {"last_run", {{"anyOf", {refer("Run"), {{"type", "null"}}}}}},
                            {"waiting_starts", list_of(refer("WaitingStart"))},
                            {"last_success_at", instant()}});
  all["FlowPage"] = page_of("flows", "FlowLine");
  all["Row"] = object({{"table", text()},
                       {"key", list_of(text())},
                       {"values", open_object()},
                       {"managed_by", text()}});
  all["Flow"] = object({{"flow_id", text()},
                        {"rows",
                         {{"type", "array"},
                          {"items", refer("Row")},
                          {"description", "Its rows of the configuration tables."}}},
                        {"waiting_starts", list_of(refer("WaitingStart"))},
                        {"last_run", {{"anyOf", {refer("Run"), {{"type", "null"}}}}}}});
  all["WaitingStart"] = object({{"flow_id", text()},
                                {"trigger", text("`scheduled` or `file`")},
                                {"run_key", text("Of the run that was tried last.")},
                                {"logical_time", instant()},
                                {"since", instant("When it failed first.")},
                                {"tried_at", instant()},
                                {"next_try_at", instant()},
                                {"tries", number()},
                                {"error_code", text()},
                                {"error_text", text()},
                                {"error_hint", text()}});
  all["WaitingStartList"] = object({{"waiting_starts", list_of(refer("WaitingStart"))}});
}

void add_lake(Json& all) {
  all["DatasetLine"] = object({{"dataset", text()},
                               {"format", text()},
                               {"identity", text()},
                               {"is_declared", flag("There is a row for it.")},
                               {"publication_count", number()},
                               {"published_at", instant()}});
  all["DatasetPage"] = page_of("datasets", "DatasetLine");
  all["Publication"] = object({{"token", text()},
                               {"object_name", text()},
                               {"instant", text()},
                               {"rows", number()},
                               {"size_bytes", number()},
                               {"as_of", instant()},
                               {"source_name", text()},
                               {"run_id", text()}});
  all["Dataset"] = object({{"dataset", text()},
                           {"schema", {{"type", {"array", "null"}}}},
                           {"publications", list_of(refer("Publication"))},
                           {"publication_count", number("Of all; the newest 100 are shown.")}});
  all["RejectedRows"] = object({{"run_id", text()},
                                {"flow_id", text()},
                                {"task_id", text()},
                                {"dataset", text("Where the rows lie.")},
                                {"reason", text()},
                                {"column", text()},
                                {"rows", number()},
                                {"created_at", instant("Of the run.")}});
  all["RejectedRowsList"] = object({{"rejected_rows", list_of(refer("RejectedRows"))}});
  all["Hold"] = object({{"token", text()},
                        {"run_id", text()},
                        {"flow_id", text()},
                        {"task_id", text()},
                        {"target", text()},
                        {"reason", text()},
                        {"message", text()},
                        {"facts", open_object()},
                        {"state", one_of({"open", "approved", "rejected", "superseded"})},
                        {"created_at", instant()}});
  all["HoldList"] = object({{"holds", list_of(refer("Hold"))}});
}

void add_configuration(Json& all) {
  all["Configuration"] = object({{"rows", list_of(refer("Row"))}});
  const Json flow_id = text("Whose runs pin it; empty: of a whole project, from older releases.");
  all["ConfigurationVersion"] = object({{"hash", text()},
                                        {"flow_id", flow_id},
                                        {"created_at", instant()},
                                        {"author", text()},
                                        {"reason", text()}});
  all["ConfigurationVersionList"] = object({{"versions", list_of(refer("ConfigurationVersion"))}});
  all["ConfigurationContent"] = object({{"hash", text()},
                                        {"flow_id", flow_id},
                                        {"created_at", instant()},
                                        {"author", text()},
                                        {"reason", text()},
                                        {"content", open_object()}});
  all["ConfigurationPlan"] = object({{"plan", open_object()},
                                     {"hash", text("`apply` makes the plan of this hash.")},
                                     {"is_empty", flag()}});
  all["TemplateParameter"] = object({{"name", text()},
                                     {"type", text()},
                                     {"required", flag()},
                                     {"default", anything()},
                                     {"doc", text()},
                                     {"choices", list_of(text())},
                                     {"least", {{"type", {"number", "null"}}}},
                                     {"greatest", {{"type", {"number", "null"}}}}});
  all["Template"] = object({{"template_id", text()},
                            {"kind", text()},
                            {"summary", text()},
                            {"params", list_of(refer("TemplateParameter"))}});
  all["TemplateList"] = object({{"templates", list_of(refer("Template"))}});
}

void add_server(Json& all) {
  all["Health"] = object({{"status", one_of({"ok"})}});
  all["Readiness"] = object({{"is_ready", flag()}, {"reason", text()}});
  all["Grant"] = object({{"flows", text("A flow, or the beginning of names and `*`.")},
                         {"role", one_of({"viewer", "operator", "developer", "admin"})}});
  all["Account"] = object({{"user", text()}, {"grants", list_of(refer("Grant"))}});
  all["User"] = object({{"user", text()},
                        {"grants", list_of(refer("Grant"))},
                        {"has_password", flag("Else it signs in by tokens alone.")},
                        {"is_enabled", flag()},
                        {"created_at", instant()},
                        {"password_at", instant("When it was set.")}});
  all["UserList"] = object({{"users", list_of(refer("User"))}});
  all["Token"] = object({{"token_id", text()},
                         {"user", text()},
                         {"name", text("What it is for.")},
                         {"prefix", text("How it begins.")},
                         {"flows", text("For no other flows.")},
                         {"role", text("No more than this role.")},
                         {"created_at", instant()},
                         {"expires_at", instant("null: never")},
                         {"last_used_at", instant("To the minute.")}});
  all["TokenList"] = object({{"tokens", list_of(refer("Token"))}});
  all["MadeToken"] = object({{"token", text("Shown this once: keep it where secrets are.")},
                             {"token_id", text()},
                             {"user", text()},
                             {"name", text()},
                             {"expires_at", instant("null: never")}});
  all["AuditRow"] = object({{"position", number("In the chain; 0: older than it.")},
                            {"at", instant()},
                            {"author", text()},
                            {"action", text()},
                            {"details", anything()},
                            {"row_hash", text()}});
  all["AuditPage"] = page_of("rows", "AuditRow");
  all["Problem"] = object({{"type", text("`urn:weir:error:<code>`")},
                           {"title", text()},
                           {"status", number()},
                           {"code", text("A code of the reference, such as `not_found`.")},
                           {"detail", text("What went wrong, naming the thing.")},
                           {"hint", text("What can be done.")},
                           {"request_id", text("Under which the server's log has more.")},
                           {"trail", list_of(text())}},
                          {"trail"});
}

Json limited(Json schema, int64_t max_length) {
  schema["maxLength"] = max_length;
  return schema;
}

void add_bodies(Json& all) {
  all["SignIn"] = object({{"user", limited(text(), 200)}, {"password", limited(text(), 1000)}});
  // References are not followed where bodies are checked.
  const Json grants =
      list_of(object({{"flows", limited(text("A flow, or the beginning of names and `*`."), 200)},
                      {"role", one_of({"viewer", "operator", "developer", "admin"})}}));
  const Json password = limited(text(), 1000);
  all["NewUser"] =
      object({{"user", limited(text(), 200)}, {"grants", grants}, {"password", password}},
             {"grants", "password"});
  all["UserGrants"] = object({{"grants", grants}});
  all["NewPassword"] = object({{"password", password}});
  all["ChangePassword"] = object({{"current_password", password}, {"password", password}});
  all["NewToken"] = object(
      {{"user", limited(text("Whose; your own where it is left out."), 200)},
       {"name", limited(text("What it is for."), 200)},
       {"role", one_of({"viewer", "operator", "developer", "admin"})},
       {"flows", limited(text("For no other flows; all where it is left out."), 200)},
       {"lasts", limited(text("`30d`, `12h`, … or `never`; 90d where it is left out."), 40)}},
      {"user", "role", "flows", "lasts"});
  all["StartRun"] =
      object({{"run_key", limited(text("A second start with the same key finds the run."), 200)},
              {"params", open_object("Over the defaults of the flow.")},
              {"logical_time", limited(text("RFC 3339; now where it is left out."), 40)}},
             {"run_key", "params", "logical_time"});
  all["FileEvents"] =
      open_object("As S3, MinIO, SNS or EventBridge send it, or `{\"file\": \"landing/a.csv\"}`.");
  all["PauseFlow"] =
      object({{"reason", limited(text("For those who find it paused."), 500)}}, {"reason"});
  all["RetryRun"] =
      object({{"from_task", limited(text("What did not succeed where it is left out."), 500)},
              {"config", limited(text("`same`, `latest` or the hash of a version."), 64)}},
             {"from_task", "config"});
  all["PlanConfiguration"] =
      object({{"prune", flag("Take over and remove rows of others, too.")}}, {"prune"});
  all["ApplyConfiguration"] =
      object({{"prune", flag("As it was planned.")},
              {"hash", limited(text("Of the plan; another one is refused."), 64)}},
             {"prune"});
}

bool has_type(const Json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  return type == "null" && value.is_null();
}

Status check_type(const Json& schema, const Json& value, const std::string& name) {
  const auto type = schema.find("type");
  if (type == schema.end()) return {};
  const auto types = type->is_array() ? type->get<std::vector<std::string>>()
                                      : std::vector<std::string>{type->get<std::string>()};
  if (std::ranges::any_of(types, [&](const auto& each) { return has_type(value, each); }))
    return {};
  return fail(ErrorCode::kInvalidData, "{} is no {}", name, fmt::join(types, " or "));
}

Status check_limits(const Json& schema, const Json& value, const std::string& name) {
  if (const auto words = schema.find("enum"); words != schema.end()) {
    if (std::ranges::find(*words, value) == words->end())
      return fail_with_hint(
          ErrorCode::kInvalidData, fmt::format("{} is none of the words that it may be", name),
          fmt::format("write one of: {}", fmt::join(words->get<std::vector<std::string>>(), ", ")));
  }
  if (value.is_string() && schema.contains("maxLength") &&
      value.get_ref<const std::string&>().size() > schema["maxLength"].get<size_t>())
    return fail(ErrorCode::kInvalidData, "{} is longer than {} bytes", name,
                schema["maxLength"].get<size_t>());
  if (!value.is_number_integer()) return {};
  const auto at = value.get<int64_t>();
  if ((schema.contains("minimum") && at < schema["minimum"].get<int64_t>()) ||
      (schema.contains("maximum") && at > schema["maximum"].get<int64_t>()))
    return fail(ErrorCode::kInvalidData, "{} is not within {} and {}", name,
                dump_json(schema.value("minimum", Json())),
                dump_json(schema.value("maximum", Json())));
  return {};
}

Status check_fields(const Json& schema, const Json& value, const std::string& name) {
  const Json properties = schema.value("properties", Json::object());
  for (const Json& required : schema.value("required", Json::array())) {
    if (!value.contains(required.get<std::string>()))
      return fail(ErrorCode::kInvalidData, "{} has no '{}'", name, required.get<std::string>());
  }
  const Json more = schema.value("additionalProperties", Json(true));
  for (const auto& [key, field] : value.items()) {
    if (const auto known = properties.find(key); known != properties.end()) {
      WEIR_TRY(check_shape(*known, field, fmt::format("'{}'", key)));
    } else if (more == false) {
      return fail_with_hint(ErrorCode::kInvalidData, fmt::format("{} has no field '{}'", name, key),
                            "the document /v1/openapi.json says what it takes");
    }
  }
  return {};
}

}  // namespace

Json text_schema(int64_t max_length) { return {{"type", "string"}, {"maxLength", max_length}}; }

Json number_schema(int64_t least, int64_t greatest, int64_t otherwise) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", greatest}, {"default", otherwise}};
}

Json choice_schema(const std::vector<std::string>& choices) { return one_of(choices); }

const Json& schemas() {
  static const Json kAll = [] {
    Json all = Json::object();
    add_runs(all);
    add_flows(all);
    add_lake(all);
    add_configuration(all);
    add_server(all);
    add_bodies(all);
    return all;
  }();
  return kAll;
}

Status check_shape(const Json& schema, const Json& value, const std::string& name) {
  WEIR_TRY(check_type(schema, value, name));
  WEIR_TRY(check_limits(schema, value, name));
  if (value.is_object()) WEIR_TRY(check_fields(schema, value, name));
  if (value.is_array() && schema.contains("items")) {
    for (const Json& item : value) {
      WEIR_TRY(check_shape(schema["items"], item, "an item of " + name));
    }
  }
  return {};
}

}  // namespace weir::server
