#include "catalog/accounts.h"
#include "model/names.h"
#include "server/account_rules.h"
#include "server/password.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/sign_in.h"

namespace weir::server {
namespace {

catalog::Accounts& accounts_of(const Call& call) { return call.catalog().accounts(); }

bool administers(const Call& call) { return call.caller.rights.allows_everywhere(Role::kAdmin); }

Answer done() {
  Answer answer;
  answer.status = 204;
  return answer;
}

Json user_json(const catalog::UserAccount& user) {
  Json grants = Json::array();
  for (const auto& grant : user.grants)
    grants.push_back({{"flows", grant.flow_pattern}, {"role", grant.role}});
  return {{"user", user.user_name},
          {"grants", std::move(grants)},
          {"has_password", !user.password_hash.empty()},
          {"is_enabled", user.is_enabled},
          {"created_at", instant_json(user.created_at_us)},
          {"password_at", instant_json(user.password_at_us)}};
}

Json token_json(const catalog::ApiToken& token) {
  return {{"token_id", token.api_token_id},
          {"user", token.user_name},
          {"name", token.name},
          {"prefix", token.prefix},
          {"flows", token.limit.flow_pattern},
          {"role", token.limit.role},
          {"created_at", instant_json(token.created_at_us)},
          {"expires_at", instant_json(token.expires_at_us)},
          {"last_used_at", instant_json(token.last_used_at_us)}};
}

Result<catalog::UserAccount> user_of(const Call& call, const std::string& name) {
  WEIR_ASSIGN(auto user, accounts_of(call).find_user(name));
  if (!user) return fail(ErrorCode::kNotFound, "there is no user '{}'", name);
  return *std::move(user);
}

Result<std::vector<catalog::Grant>> grants_of(const Json& list) {
  std::vector<catalog::Grant> grants;
  for (const Json& item : list) {
    WEIR_ASSIGN(auto grant, make_grant(item.at("flows").get<std::string>(),
                                       item.at("role").get<std::string>()));
    grants.push_back(std::move(grant));
  }
  WEIR_TRY(check_grants(grants));
  return grants;
}

Result<std::string> hash_of(const std::string& user_name, const Json& password) {
  const auto text = password.get<std::string>();
  WEIR_TRY(check_password(user_name, text));
  return hash_password(text);
}

Result<Answer> switch_user(const Call& call, bool is_enabled) {
  const std::string& name = call.path.at("user_name");
  WEIR_TRY(accounts_of(call).set_enabled(name, is_enabled, call.caller.author));
  return done();
}

/// A token that was stolen must not be good for another one, or for a password.
Status expect_password_session(const Call& call, std::string_view wish) {
  if (call.caller.has_cookie) return {};
  return fail_with_hint(ErrorCode::kDenied, fmt::format("a token is not enough to {}", wish),
                        "sign in with a password (POST /v1/session), or ask an administrator");
}

}  // namespace

Result<Answer> list_users(const Call& call) {
  WEIR_ASSIGN(const auto users, accounts_of(call).users());
  Json list = Json::array();
  for (const auto& user : users) list.push_back(user_json(user));
  return json_answer({{"users", std::move(list)}});
}

Result<Answer> get_user(const Call& call) {
  WEIR_ASSIGN(const auto user, user_of(call, call.path.at("user_name")));
  return json_answer(user_json(user));
}

Result<Answer> create_user(const Call& call) {
  catalog::UserAccount user;
  user.user_name = call.body.at("user").get<std::string>();
  WEIR_TRY(model::check_name(user.user_name, "user"));
  WEIR_ASSIGN(user.grants, grants_of(call.body.value("grants", Json::array())));
  if (call.body.contains("password")) {
    WEIR_ASSIGN(user.password_hash, hash_of(user.user_name, call.body.at("password")));
  }
  WEIR_TRY(accounts_of(call).add_user(user, call.caller.author));
  WEIR_ASSIGN(const auto made, user_of(call, user.user_name));
  Answer answer = json_answer(user_json(made), 201);
  answer.headers.emplace_back("Location", "/v1/users/" + user.user_name);
  return answer;
}

Result<Answer> set_user_grants(const Call& call) {
  const std::string& name = call.path.at("user_name");
  WEIR_ASSIGN(const auto grants, grants_of(call.body.at("grants")));
  WEIR_TRY(accounts_of(call).set_grants(name, grants, call.caller.author));
  return get_user(call);
}

Result<Answer> disable_user(const Call& call) { return switch_user(call, false); }

Result<Answer> enable_user(const Call& call) { return switch_user(call, true); }

Result<Answer> set_user_password(const Call& call) {
  const std::string& name = call.path.at("user_name");
  WEIR_TRY(user_of(call, name));
  WEIR_ASSIGN(const std::string hash, hash_of(name, call.body.at("password")));
  WEIR_TRY(accounts_of(call).set_password(name, hash, call.caller.author));
  return done();
}

Result<Answer> remove_user(const Call& call) {
  WEIR_TRY(accounts_of(call).remove_user(call.path.at("user_name"), call.caller.author));
  return done();
}

Result<Answer> change_own_password(const Call& call) {
  WEIR_TRY(expect_password_session(call, "change a password"));
  const std::string& name = call.caller.user_name;
  WEIR_TRY(call.ground->sign_in->confirm(name, call.body.at("current_password").get<std::string>(),
                                         call.remote_address));
  WEIR_ASSIGN(const std::string hash, hash_of(name, call.body.at("password")));
  WEIR_TRY(accounts_of(call).set_password(name, hash, call.caller.author));
  return done();
}

Result<Answer> list_tokens(const Call& call) {
  WEIR_ASSIGN(const auto tokens, accounts_of(call).tokens());
  Json list = Json::array();
  for (const auto& token : tokens)
    if (administers(call) || token.user_name == call.caller.user_name)
      list.push_back(token_json(token));
  return json_answer({{"tokens", std::move(list)}});
}

Result<Answer> create_token(const Call& call) {
  TokenWish wish;
  wish.user_name = call.body.value("user", call.caller.user_name);
  wish.name = call.body.at("name").get<std::string>();
  wish.role = call.body.value("role", wish.role);
  wish.flows = call.body.value("flows", wish.flows);
  wish.lasts = call.body.value("lasts", wish.lasts);
  if (!administers(call)) {
    if (wish.user_name != call.caller.user_name)
      return fail_with_hint(ErrorCode::kDenied, "a token of another user needs the role admin",
                            "leave 'user' out for one of your own");
    WEIR_TRY(expect_password_session(call, "make another one"));
  }
  WEIR_ASSIGN(const MadeToken made, make_token(wish, *call.ground->clock, *call.ground->random));
  WEIR_TRY(accounts_of(call).add_token(made.row, call.caller.author));
  return json_answer({{"token", made.text},
                      {"token_id", made.row.api_token_id},
                      {"user", made.row.user_name},
                      {"name", made.row.name},
                      {"expires_at", instant_json(made.row.expires_at_us)}},
                     201);
}

Result<Answer> revoke_token(const Call& call) {
  const std::string& id = call.path.at("token_id");
  if (!administers(call)) {
    WEIR_ASSIGN(const auto tokens, accounts_of(call).tokens());
    bool is_own = false;
    for (const auto& token : tokens)
      is_own |= token.api_token_id == id && token.user_name == call.caller.user_name;
    // One of somebody else is not there, in the words of the catalog.
    if (!is_own)
      return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no token {}", id),
                            "`weir token list` lists them");
  }
  WEIR_TRY(accounts_of(call).revoke_token(id, call.caller.author));
  return done();
}

}  // namespace weir::server
