#include "catalog/audit_trail.h"
#include "server/metrics.h"
#include "server/openapi.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/sign_in.h"

namespace weir::server {
namespace {

/// With TLS the prefix makes browsers keep others from setting it (RFC 6265bis, section 4.1.3).
std::string cookie(const Call& call, const std::string& word, int64_t lasts_s) {
  return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}",
                     call.is_tls ? "__Host-weir_session" : "weir_session", word, lasts_s,
                     call.is_tls ? "; Secure" : "");
}

Json account_json(const Caller& caller) {
  Json grants = Json::array();
  for (const auto& grant : caller.rights.grants())
    grants.push_back({{"flows", grant.flow_pattern}, {"role", to_text(grant.role)}});
  return {{"user", caller.user_name}, {"grants", std::move(grants)}};
}

Answer too_many_attempts(const Call& call, int64_t wait_s) {
  Answer answer =
      problem(ErrorCode::kDenied, 429, "there were too many attempts to sign in that failed",
              fmt::format("try again in {} seconds", wait_s), call.request_id);
  answer.headers.emplace_back("Retry-After", std::to_string(wait_s));
  return answer;
}

}  // namespace

Result<Answer> get_health(const Call& /*call*/) { return json_answer({{"status", "ok"}}); }

Result<Answer> get_readiness(const Call& call) {
  const SchedulerState state = call.ground->readiness();
  return json_answer({{"is_ready", state.is_ready}, {"reason", state.reason}},
                     state.is_ready ? 200 : 503);
}

Result<Answer> get_metrics(const Call& call) {
  WEIR_ASSIGN(const auto numbers, call.catalog().overview().numbers());
  Answer answer;
  answer.content_type = "text/plain; version=0.0.4; charset=utf-8";
  const auto& usage = call.ground->actions->task_usage;
  answer.body =
      call.ground->metrics->text(numbers, call.ground->readiness(), usage ? usage() : TaskUsage());
  return answer;
}

Result<Answer> get_openapi(const Call& call) {
  return json_answer(openapi_document(call.ground->version));
}

Result<Answer> sign_in(const Call& call) {
  const auto user = call.body.at("user").get<std::string>();
  SignIn& sign_in = *call.ground->sign_in;
  const int64_t wait_s = sign_in.wait_seconds(user, call.remote_address);
  if (wait_s > 0) return too_many_attempts(call, wait_s);
  const auto session =
      sign_in.with_password(user, call.body.at("password").get<std::string>(), call.remote_address);
  if (!session && session.error().code == ErrorCode::kDenied)
    return problem(session.error(), call.request_id, 401);
  if (!session) return std::unexpected(session.error());
  Answer answer = json_answer(account_json(session->caller));
  answer.headers.emplace_back("Set-Cookie", cookie(call, session->word, session->lasts_s));
  return answer;
}

Result<Answer> sign_out(const Call& call) {
  WEIR_TRY(call.ground->sign_in->sign_out(call.caller));
  Answer answer;
  answer.status = 204;
  answer.headers.emplace_back("Set-Cookie", cookie(call, "", 0));
  return answer;
}

Result<Answer> get_account(const Call& call) { return json_answer(account_json(call.caller)); }

Result<Answer> list_audit(const Call& call) {
  WEIR_ASSIGN(const Json place, read_cursor(call));
  int64_t before = 0;
  if (!place.is_null()) {
    if (place.size() != 1 || !place[0].is_number_integer())
      return fail(ErrorCode::kInvalidData, "the cursor is none of this list");
    before = place[0].get<int64_t>();
  }
  const int64_t limit = call.number("limit", 100);
  WEIR_ASSIGN(const auto rows, call.catalog().audit_trail().audit_rows(before, limit));
  Json list = Json::array();
  for (const auto& row : rows)
    list.push_back({{"position", row.position},
                    {"at", instant_json(row.at_us)},
                    {"author", row.author},
                    {"action", row.action},
                    {"details", row.details},
                    {"row_hash", row.row_hash}});
  const bool goes_on = static_cast<int64_t>(rows.size()) == limit && rows.back().position > 1;
  return page_answer("rows", std::move(list),
                     goes_on ? write_cursor(Json::array({rows.back().position})) : "");
}

}  // namespace weir::server
