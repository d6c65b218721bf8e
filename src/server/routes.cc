#include "server/routes.h"

#include "server/schemas.h"

namespace weir::server {
namespace {

Parameter cursor() { return {"cursor", text_schema(1000), "`next` of the page before."}; }
Parameter limit(int64_t otherwise, int64_t most) {
  return {"limit", number_schema(1, most, otherwise), "How many at most."};
}
Parameter task() { return {"task_id", text_schema(), "Only of this task."}; }
Parameter after() {
  return {"after", number_schema(0, int64_t{1} << 53, 0), "Lines behind the one of this number."};
}

void add_service(std::vector<Route>& all) {
  all.push_back({.name = "get_health",
                 .method = "GET",
                 .path = "/healthz",
                 .access = Access::kOpen,
                 .summary = "Whether the process answers.",
                 .answer = "Health",
                 .handler = get_health});
  all.push_back({.name = "get_readiness",
                 .method = "GET",
                 .path = "/readyz",
                 .access = Access::kOpen,
                 .summary = "Whether it takes work: the catalog answers, and it is not stopping.",
                 .answer = "Readiness",
                 .handler = get_readiness});
  all.push_back({.name = "get_metrics",
                 .method = "GET",
                 .path = "/metrics",
                 .summary = "Runs, tasks, queues, requests and the process, for Prometheus.",
                 .content_type = "text/plain",
                 .handler = get_metrics});
  all.push_back({.name = "get_openapi",
                 .method = "GET",
                 .path = "/v1/openapi.json",
                 .access = Access::kAccount,
                 .summary = "This table as an OpenAPI 3.1 document.",
                 .handler = get_openapi});
  all.push_back({.name = "sign_in",
                 .method = "POST",
                 .path = "/v1/session",
                 .access = Access::kSignIn,
                 .summary = "Sign in with a password: the answer sets a cookie.",
                 .body = "SignIn",
                 .answer = "Account",
                 .handler = sign_in});
  all.push_back({.name = "get_account",
                 .method = "GET",
                 .path = "/v1/session",
                 .access = Access::kAccount,
                 .summary = "Who is signed in, and what they may do.",
                 .answer = "Account",
                 .handler = get_account});
  all.push_back({.name = "sign_out",
                 .method = "DELETE",
                 .path = "/v1/session",
                 .access = Access::kAccount,
                 .summary = "End the session of the cookie.",
                 .status = 204,
                 .handler = sign_out});
}

void add_flows(std::vector<Route>& all) {
  all.push_back({.name = "list_flows",
                 .method = "GET",
                 .path = "/v1/flows",
                 .object = Object::kFlows,
                 .summary = "Flows by name, each with its newest run.",
                 .query = {limit(50, 200), cursor()},
                 .answer = "FlowPage",
                 .handler = list_flows});
  all.push_back({.name = "get_flow",
                 .method = "GET",
                 .path = "/v1/flows/{flow_id}",
                 .object = Object::kFlow,
                 .summary = "A flow with its tasks, as rows.",
                 .answer = "Flow",
                 .handler = get_flow});
  all.push_back({.name = "list_waiting_starts",
                 .method = "GET",
                 .path = "/v1/waiting_starts",
                 .object = Object::kFlows,
                 .summary = "Runs that are due and cannot start: there is no version to pin.",
                 .answer = "WaitingStartList",
                 .handler = list_waiting_starts});
  all.push_back({.name = "start_run",
                 .method = "POST",
                 .path = "/v1/flows/{flow_id}/runs",
                 .role = Role::kOperator,
                 .object = Object::kFlow,
                 .summary = "Start a run of the flow.",
                 .body = "StartRun",
                 .answer = "Run",
                 .status = 202,
                 .handler = start_run});
  all.push_back({.name = "pause_flow",
                 .method = "POST",
                 .path = "/v1/flows/{flow_id}/pause",
                 .role = Role::kOperator,
                 .object = Object::kFlow,
                 .summary = "Start nothing of the flow by itself until it is resumed.",
                 .body = "PauseFlow",
                 .status = 204,
                 .handler = pause_flow});
  all.push_back({.name = "resume_flow",
                 .method = "POST",
                 .path = "/v1/flows/{flow_id}/resume",
                 .role = Role::kOperator,
                 .object = Object::kFlow,
                 .summary = "Let schedules and files start the flow again.",
                 .status = 204,
                 .handler = resume_flow});
  all.push_back(
      {.name = "take_arrivals_of_flow",
       .method = "POST",
       .path = "/v1/flows/{flow_id}/arrivals",
       .role = Role::kOperator,
       .object = Object::kFlow,
       .summary = "Tell of files that came for the flow: events of S3, MinIO or EventBridge.",
       .body = "FileEvents",
       .answer = "TakenEvents",
       .status = 202,
       .handler = take_arrivals_of_flow});
  all.push_back({.name = "take_arrivals",
                 .method = "POST",
                 .path = "/v1/arrivals",
                 .role = Role::kOperator,
                 .summary = "Tell of files that came for any flow.",
                 .body = "FileEvents",
                 .answer = "TakenEvents",
                 .status = 202,
                 .handler = take_arrivals});
}

void add_runs(std::vector<Route>& all) {
  const std::vector<std::string> states = {"queued", "running",   "succeeded", "failed",
                                           "held",   "cancelled", "skipped"};
  all.push_back({.name = "list_runs",
                 .method = "GET",
                 .path = "/v1/runs",
                 .object = Object::kFlows,
                 .summary = "Runs, newest first.",
                 .query = {{"flow_id", text_schema(), "Only of this flow."},
                           {"state", choice_schema(states), "Only in this state."},
                           limit(50, 500),
                           cursor()},
                 .answer = "RunPage",
                 .handler = list_runs});
  all.push_back({.name = "get_run",
                 .method = "GET",
                 .path = "/v1/runs/{run_id}",
                 .object = Object::kRun,
                 .summary = "A run.",
                 .answer = "Run",
                 .handler = get_run});
  all.push_back({.name = "list_tasks",
                 .method = "GET",
                 .path = "/v1/runs/{run_id}/tasks",
                 .object = Object::kRun,
                 .summary = "The tasks of a run, with their counts.",
                 .answer = "TaskList",
                 .handler = list_tasks});
  all.push_back({.name = "list_reconciliations",
                 .method = "GET",
                 .path = "/v1/runs/{run_id}/reconciliations",
                 .object = Object::kRun,
                 .summary = "Whether each hop of a run closes.",
                 .answer = "ReconciliationList",
                 .handler = list_reconciliations});
  all.push_back({.name = "list_rejected_rows_of_run",
                 .method = "GET",
                 .path = "/v1/runs/{run_id}/rejected_rows",
                 .object = Object::kRun,
                 .summary = "What a run rejected, by reason.",
                 .query = {limit(200, 1000)},
                 .answer = "RejectedRowsList",
                 .handler = list_rejected_rows_of_run});
  all.push_back({.name = "get_logs",
                 .method = "GET",
                 .path = "/v1/runs/{run_id}/logs",
                 .object = Object::kRun,
                 .summary = "What a run wrote into its log.",
                 .query = {task(), after(), limit(1000, 5000)},
                 .answer = "LogPage",
                 .handler = get_logs});
  all.push_back({.name = "follow_logs",
                 .method = "GET",
                 .path = "/v1/runs/{run_id}/logs/stream",
                 .object = Object::kRun,
                 .summary = "The same as server-sent events, until the run has ended.",
                 .query = {task(), after()},
                 .content_type = "text/event-stream",
                 .handler = follow_logs});
  all.push_back({.name = "retry_run",
                 .method = "POST",
                 .path = "/v1/runs/{run_id}/retry",
                 .role = Role::kOperator,
                 .object = Object::kRun,
                 .summary = "Run what did not succeed of a run.",
                 .body = "RetryRun",
                 .answer = "Run",
                 .status = 202,
                 .handler = retry_run});
  all.push_back({.name = "cancel_run",
                 .method = "POST",
                 .path = "/v1/runs/{run_id}/cancel",
                 .role = Role::kOperator,
                 .object = Object::kRun,
                 .summary = "Ask a run to stop.",
                 .answer = "Run",
                 .status = 202,
                 .handler = cancel_run});
}

void add_lake(std::vector<Route>& all) {
  all.push_back({.name = "list_holds",
                 .method = "GET",
                 .path = "/v1/holds",
                 .object = Object::kFlows,
                 .summary = "Loads that wait, or waited, for somebody.",
                 .query = {{"state", choice_schema({"open", "approved", "rejected", "superseded"}),
                            "Only in this state."},
                           limit(200, 1000)},
                 .answer = "HoldList",
                 .handler = list_holds});
  all.push_back({.name = "get_hold",
                 .method = "GET",
                 .path = "/v1/holds/{token}",
                 .object = Object::kHold,
                 .summary = "A hold, with the facts behind it.",
                 .answer = "Hold",
                 .handler = get_hold});
  all.push_back({.name = "approve_hold",
                 .method = "POST",
                 .path = "/v1/holds/{token}/approve",
                 .role = Role::kOperator,
                 .object = Object::kHold,
                 .summary = "Let through what is held.",
                 .answer = "Hold",
                 .handler = approve_hold});
  all.push_back({.name = "reject_hold",
                 .method = "POST",
                 .path = "/v1/holds/{token}/reject",
                 .role = Role::kOperator,
                 .object = Object::kHold,
                 .summary = "Retire the input that is held.",
                 .answer = "Hold",
                 .handler = reject_hold});
  all.push_back({.name = "list_rejected_rows",
                 .method = "GET",
                 .path = "/v1/rejected_rows",
                 .object = Object::kFlows,
                 .summary = "What was rejected, by run, task and reason.",
                 .query = {limit(200, 1000)},
                 .answer = "RejectedRowsList",
                 .handler = list_rejected_rows});
  all.push_back({.name = "list_datasets",
                 .method = "GET",
                 .path = "/v1/datasets",
                 .object = Object::kFlows,
                 .summary = "Datasets by name: those that the caller's flows name.",
                 .query = {limit(100, 1000), cursor()},
                 .answer = "DatasetPage",
                 .handler = list_datasets});
  all.push_back({.name = "get_dataset",
                 .method = "GET",
                 .path = "/v1/datasets/{dataset}",
                 .object = Object::kDataset,
                 .summary = "A dataset with its newest publications.",
                 .answer = "Dataset",
                 .handler = get_dataset});
}

void add_configuration(std::vector<Route>& all) {
  all.push_back({.name = "list_templates",
                 .method = "GET",
                 .path = "/v1/templates",
                 .object = Object::kFlows,
                 .summary = "Templates with their parameters.",
                 .answer = "TemplateList",
                 .handler = list_templates});
  all.push_back({.name = "get_template",
                 .method = "GET",
                 .path = "/v1/templates/{template_id}",
                 .object = Object::kFlows,
                 .summary = "A template.",
                 .answer = "Template",
                 .handler = get_template});
  all.push_back({.name = "get_configuration",
                 .method = "GET",
                 .path = "/v1/configuration",
                 .role = Role::kDeveloper,
                 .summary = "The rows of the configuration as they are.",
                 .answer = "Configuration",
                 .handler = get_configuration});
  all.push_back(
      {.name = "list_configuration_versions",
       .method = "GET",
       .path = "/v1/configuration/versions",
       .role = Role::kDeveloper,
       .summary = "Versions that runs pinned, newest first.",
       .query = {{"flow_id", text_schema(), "Only those that its runs may pin."}, limit(200, 1000)},
       .answer = "ConfigurationVersionList",
       .handler = list_configuration_versions});
  all.push_back({.name = "get_configuration_version",
                 .method = "GET",
                 .path = "/v1/configuration/versions/{hash}",
                 .role = Role::kDeveloper,
                 .summary = "A version with its content.",
                 .answer = "ConfigurationContent",
                 .handler = get_configuration_version});
  all.push_back({.name = "plan_configuration",
                 .method = "POST",
                 .path = "/v1/configuration/plan",
                 .role = Role::kDeveloper,
                 .summary = "What the project's files would change in the rows.",
                 .body = "PlanConfiguration",
                 .answer = "ConfigurationPlan",
                 .handler = plan_configuration});
  all.push_back({.name = "apply_configuration",
                 .method = "POST",
                 .path = "/v1/configuration/apply",
                 .role = Role::kDeveloper,
                 .summary = "Make the changes of a plan.",
                 .body = "ApplyConfiguration",
                 .status = 204,
                 .handler = apply_configuration});
  all.push_back({.name = "list_audit",
                 .method = "GET",
                 .path = "/v1/audit",
                 .role = Role::kAdmin,
                 .summary = "Who did what, newest first.",
                 .query = {limit(100, 1000), cursor()},
                 .answer = "AuditPage",
                 .handler = list_audit});
}

void add_accounts(std::vector<Route>& all) {
  all.push_back({.name = "list_users",
                 .method = "GET",
                 .path = "/v1/users",
                 .role = Role::kAdmin,
                 .summary = "Accounts, and what each may do.",
                 .answer = "UserList",
                 .handler = list_users});
  all.push_back({.name = "create_user",
                 .method = "POST",
                 .path = "/v1/users",
                 .role = Role::kAdmin,
                 .summary = "Make an account; without a password it signs in by tokens alone.",
                 .body = "NewUser",
                 .answer = "User",
                 .status = 201,
                 .handler = create_user});
  all.push_back({.name = "get_user",
                 .method = "GET",
                 .path = "/v1/users/{user_name}",
                 .role = Role::kAdmin,
                 .summary = "An account.",
                 .answer = "User",
                 .handler = get_user});
  all.push_back({.name = "set_user_grants",
                 .method = "POST",
                 .path = "/v1/users/{user_name}/grants",
                 .role = Role::kAdmin,
                 .summary = "What the account may do from now on.",
                 .body = "UserGrants",
                 .answer = "User",
                 .handler = set_user_grants});
  all.push_back({.name = "set_user_password",
                 .method = "POST",
                 .path = "/v1/users/{user_name}/password",
                 .role = Role::kAdmin,
                 .summary = "Give the account another password; its sessions end.",
                 .body = "NewPassword",
                 .status = 204,
                 .handler = set_user_password});
  all.push_back({.name = "disable_user",
                 .method = "POST",
                 .path = "/v1/users/{user_name}/disable",
                 .role = Role::kAdmin,
                 .summary = "Switch the account off: nothing lets it in.",
                 .status = 204,
                 .handler = disable_user});
  all.push_back({.name = "enable_user",
                 .method = "POST",
                 .path = "/v1/users/{user_name}/enable",
                 .role = Role::kAdmin,
                 .summary = "Switch the account on again.",
                 .status = 204,
                 .handler = enable_user});
  all.push_back({.name = "remove_user",
                 .method = "DELETE",
                 .path = "/v1/users/{user_name}",
                 .role = Role::kAdmin,
                 .summary = "Take the account away, with its tokens and sessions.",
                 .status = 204,
                 .handler = remove_user});
  all.push_back({.name = "change_own_password",
                 .method = "POST",
                 .path = "/v1/session/password",
                 .access = Access::kAccount,
                 .summary = "Change your own password; all your sessions end.",
                 .body = "ChangePassword",
                 .status = 204,
                 .handler = change_own_password});
  all.push_back({.name = "list_tokens",
                 .method = "GET",
                 .path = "/v1/tokens",
                 .access = Access::kAccount,
                 .summary = "Your tokens; all of them for who administers.",
                 .answer = "TokenList",
                 .handler = list_tokens});
  all.push_back({.name = "create_token",
                 .method = "POST",
                 .path = "/v1/tokens",
                 .access = Access::kAccount,
                 .summary = "Make a token and show it, this once.",
                 .body = "NewToken",
                 .answer = "MadeToken",
                 .status = 201,
                 .handler = create_token});
  all.push_back({.name = "revoke_token",
                 .method = "DELETE",
                 .path = "/v1/tokens/{token_id}",
                 .access = Access::kAccount,
                 .summary = "Take a token away.",
                 .status = 204,
                 .handler = revoke_token});
}

}  // namespace

const std::vector<Route>& all_routes() {
  static const std::vector<Route> kAll = [] {
    std::vector<Route> all;
    add_service(all);
    add_flows(all);
    add_runs(all);
    add_lake(all);
    add_configuration(all);
    add_accounts(all);
    return all;
  }();
  return kAll;
}

std::vector<std::string> path_parameters(const Route& route) {
  std::vector<std::string> names;
  for (size_t at = route.path.find('{'); at != std::string::npos; at = route.path.find('{', at)) {
    const size_t end = route.path.find('}', at);
    names.push_back(route.path.substr(at + 1, end - at - 1));
    at = end;
  }
  return names;
}

}  // namespace weir::server
