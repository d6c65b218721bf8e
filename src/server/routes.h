#pragma once

/// The functions behind the table of routes, by theme. Whoever calls them has judged who may; what
/// they are given is what was asked for.

#include "server/route.h"

namespace weir::server {

// routes/flows.cc
Result<Answer> list_flows(const Call& call);
Result<Answer> get_flow(const Call& call);
Result<Answer> list_waiting_starts(const Call& call);
Result<Answer> start_run(const Call& call);
Result<Answer> pause_flow(const Call& call);
Result<Answer> resume_flow(const Call& call);
Result<Answer> take_arrivals(const Call& call);
Result<Answer> take_arrivals_of_flow(const Call& call);
// routes/runs.cc
Result<Answer> list_runs(const Call& call);
Result<Answer> get_run(const Call& call);
Result<Answer> list_tasks(const Call& call);
Result<Answer> list_reconciliations(const Call& call);
Result<Answer> retry_run(const Call& call);
Result<Answer> cancel_run(const Call& call);
// routes/logs.cc
Result<Answer> get_logs(const Call& call);
Result<Answer> follow_logs(const Call& call);
// routes/lake.cc
Result<Answer> list_datasets(const Call& call);
Result<Answer> get_dataset(const Call& call);
Result<Answer> list_rejected_rows(const Call& call);
Result<Answer> list_rejected_rows_of_run(const Call& call);
Result<Answer> list_holds(const Call& call);
Result<Answer> get_hold(const Call& call);
Result<Answer> approve_hold(const Call& call);
Result<Answer> reject_hold(const Call& call);
// routes/configuration.cc
Result<Answer> get_configuration(const Call& call);
Result<Answer> list_configuration_versions(const Call& call);
Result<Answer> get_configuration_version(const Call& call);
Result<Answer> plan_configuration(const Call& call);
Result<Answer> apply_configuration(const Call& call);
Result<Answer> list_templates(const Call& call);
Result<Answer> get_template(const Call& call);
// routes/accounts.cc
Result<Answer> list_users(const Call& call);
Result<Answer> get_user(const Call& call);
Result<Answer> create_user(const Call& call);
Result<Answer> set_user_grants(const Call& call);
Result<Answer> disable_user(const Call& call);
Result<Answer> enable_user(const Call& call);
Result<Answer> set_user_password(const Call& call);
Result<Answer> remove_user(const Call& call);
Result<Answer> change_own_password(const Call& call);
Result<Answer> list_tokens(const Call& call);
Result<Answer> create_token(const Call& call);
Result<Answer> revoke_token(const Call& call);
// routes/service.cc
Result<Answer> get_health(const Call& call);
Result<Answer> get_readiness(const Call& call);
Result<Answer> get_metrics(const Call& call);
Result<Answer> get_openapi(const Call& call);
Result<Answer> sign_in(const Call& call);
Result<Answer> sign_out(const Call& call);
Result<Answer> get_account(const Call& call);
Result<Answer> list_audit(const Call& call);

// What several of them write.
Json row_json(const catalog::ConfigRow& row);
Json instant_json(int64_t at_us);  ///< 0: null
/// An action that nobody filled in.
std::unexpected<Error> not_served(std::string_view what);
/// A page of a list: `name`, and `next` where it is full. `cursor_of` is asked of its last item.
Answer page_answer(std::string_view name, Json items, std::string next);
/// A cursor is opaque to who gets it: Base64 without `+`, `/` and `=`.
std::string write_cursor(const Json& place);
/// kInvalidData; null where there is none in the query.
Result<Json> read_cursor(const Call& call);
/// Of a list by name: behind which it goes on; empty: from the first.
Result<std::string> read_name_cursor(const Call& call);

}  // namespace weir::server
