#include "catalog/store/audit.h"
#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

constexpr int64_t kMinuteUs = 60'000'000;

std::unexpected<Error> no_user(const std::string& user_name) {
  return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no user '{}'", user_name),
                        "`weir user list` lists them");
}

Result<std::vector<Grant>> read_grants(Session& session, const std::string& user_name) {
  WEIR_ASSIGN(const auto rows, session.select("flow_pattern, role",
                                              "FROM user_grant WHERE user_name = :user_name ORDER "
                                              "BY flow_pattern",
                                              {{"user_name", user_name}}));
  return read_all(rows, [&](const Row& row) -> Result<Grant> {
    RowReader reader("user_grant", row, user_name);
    return Grant{reader.text("flow_pattern"), reader.text("role")};
  });
}

Result<std::vector<UserAccount>> select_users(Session& session, const std::string& rest,
                                              const Binds& binds) {
  WEIR_ASSIGN(const auto rows, session.select("user_name, password_hash, is_enabled, "
                                              "created_at_us, password_at_us",
                                              "FROM user_account " + rest, binds));
  return read_all(rows, [&](const Row& row) -> Result<UserAccount> {
    RowReader reader("user_account", row, row.at("user_name").value_or(""));
    UserAccount user{.user_name = reader.text("user_name"),
                     .password_hash = reader.text("password_hash"),
                     .grants = {},
                     .is_enabled = reader.boolean("is_enabled"),
                     .created_at_us = reader.integer("created_at_us"),
                     .password_at_us = reader.integer("password_at_us")};
    WEIR_TRY(reader.status());
    WEIR_ASSIGN(user.grants, read_grants(session, user.user_name));
    return user;
  });
}

Json grants_json(const std::vector<Grant>& grants) {
  Json list = Json::array();
  for (const Grant& grant : grants)
    list.push_back({{"flows", grant.flow_pattern}, {"role", grant.role}});
  return list;
}

Status insert_grants(Session& session, const std::string& user_name,
                     const std::vector<Grant>& grants) {
  for (const Grant& grant : grants)
    WEIR_TRY(session.insert(
        "user_grant",
        {{"user_name", user_name}, {"flow_pattern", grant.flow_pattern}, {"role", grant.role}}));
  return {};
}

Status expect_user(Session& session, const std::string& user_name) {
  WEIR_ASSIGN(const auto rows,
              session.select("user_name", "FROM user_account WHERE user_name = :user_name",
                             {{"user_name", user_name}}));
  if (rows.empty()) return no_user(user_name);
  return {};
}

Status delete_of(Session& session, std::string_view table, const std::string& user_name) {
  WEIR_TRY(session.execute(fmt::format("DELETE FROM {} WHERE user_name = :user_name", table),
                           {{"user_name", user_name}}));
  return {};
}

/// How many may administer the server.
Result<int64_t> count_admins(Session& session) {
  WEIR_ASSIGN(const auto rows,
              session.select("count(*) AS admins",
                             "FROM user_account u JOIN user_grant g ON g.user_name = u.user_name "
                             "WHERE u.is_enabled = :yes AND g.flow_pattern = '*' AND "
                             "g.role = 'admin'",
                             {{"yes", true}}));
  RowReader reader("user_account", rows.front(), "count");
  const int64_t admins = reader.integer("admins");
  WEIR_TRY(reader.status());
  return admins;
}

/// Under the lock of the audit log, so that two who take each other's role away do not both.
Status expect_admin(Session& session, int64_t admins_before, const std::string& user_name) {
  if (admins_before == 0) return {};
  WEIR_ASSIGN(const int64_t admins, count_admins(session));
  if (admins > 0) return {};
  return fail_with_hint(ErrorCode::kConflict,
                        fmt::format("'{}' is the last who may administer the server", user_name),
                        "give another user the role admin for all flows first");
}

constexpr std::string_view kTokenColumns =
    "api_token_id, user_name, name, prefix, token_hash, flow_pattern, role, created_at_us, "
    "expires_at_us, last_used_at_us";

Result<ApiToken> read_token(const Row& row) {
  RowReader reader("api_token", row, row.at("api_token_id").value_or(""));
  ApiToken token{.api_token_id = reader.text("api_token_id"),
                 .user_name = reader.text("user_name"),
                 .name = reader.text("name"),
                 .prefix = reader.text("prefix"),
                 .token_hash = reader.text("token_hash"),
                 .limit = {reader.text("flow_pattern"), reader.text("role")},
                 .created_at_us = reader.integer("created_at_us"),
                 .expires_at_us = reader.integer("expires_at_us"),
                 .last_used_at_us = reader.integer("last_used_at_us")};
  WEIR_TRY(reader.status());
  return token;
}

}  // namespace

Result<int64_t> SqlCatalog::count_users() {
  WEIR_ASSIGN(const auto rows, database_->read([](Session& session) {
    return session.select("count(*) AS users", "FROM user_account");
  }));
  RowReader reader("user_account", rows.front(), "count");
  return reader.integer("users");
}

Result<std::vector<UserAccount>> SqlCatalog::users() {
  return database_->read(
      [](Session& session) { return select_users(session, "ORDER BY user_name", {}); });
}

Result<std::optional<UserAccount>> SqlCatalog::find_user(const std::string& user_name) {
  return database_->read([&](Session& session) -> Result<std::optional<UserAccount>> {
    WEIR_ASSIGN(auto found,
                select_users(session, "WHERE user_name = :user_name", {{"user_name", user_name}}));
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  });
}

Status SqlCatalog::add_user(const UserAccount& user, const std::string& author) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(lock_audit(session));
    const int64_t now_us = clock_.now_us();
    WEIR_ASSIGN(const int64_t rows,
                session.insert("user_account",
                               {{"user_name", user.user_name},
                                {"password_hash", user.password_hash},
                                {"is_enabled", user.is_enabled},
                                {"created_at_us", now_us},
                                {"password_at_us",
                                 user.password_hash.empty() ? Value(nullptr) : Value(now_us)}},
                               "ON CONFLICT (user_name) DO NOTHING"));
    if (rows == 0)
      return fail_with_hint(ErrorCode::kAlreadyExists,
                            fmt::format("there is a user '{}'", user.user_name),
                            "`weir user password` gives it another password");
    WEIR_TRY(insert_grants(session, user.user_name, user.grants));
    return write_audit(session, now_us, author, "user.add",
                       {{"user", user.user_name}, {"grants", grants_json(user.grants)}});
  });
}

Status SqlCatalog::remove_user(const std::string& user_name, const std::string& author) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(lock_audit(session));
    WEIR_TRY(expect_user(session, user_name));
    WEIR_ASSIGN(const int64_t admins, count_admins(session));
    for (const std::string_view table : {"web_session", "api_token", "user_grant", "user_account"})
      WEIR_TRY(delete_of(session, table, user_name));
    WEIR_TRY(expect_admin(session, admins, user_name));
    return write_audit(session, clock_.now_us(), author, "user.remove", {{"user", user_name}});
  });
}

Status SqlCatalog::set_password(const std::string& user_name, const std::string& password_hash,
                                const std::string& author) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(lock_audit(session));
    const int64_t now_us = clock_.now_us();
    WEIR_ASSIGN(const int64_t rows,
                session.update("user_account",
                               {{"password_hash", password_hash}, {"password_at_us", now_us}},
                               "WHERE user_name = :user_name", {{"user_name", user_name}}));
    if (rows == 0) return no_user(user_name);
    WEIR_TRY(delete_of(session, "web_session", user_name));
    return write_audit(session, now_us, author, "user.password", {{"user", user_name}});
  });
}

Status SqlCatalog::set_enabled(const std::string& user_name, bool is_enabled,
                               const std::string& author) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(lock_audit(session));
    WEIR_ASSIGN(const int64_t admins, count_admins(session));
    WEIR_ASSIGN(const int64_t rows,
                session.update("user_account", {{"is_enabled", is_enabled}},
                               "WHERE user_name = :user_name", {{"user_name", user_name}}));
    if (rows == 0) return no_user(user_name);
    if (!is_enabled) WEIR_TRY(delete_of(session, "web_session", user_name));
    WEIR_TRY(expect_admin(session, admins, user_name));
    return write_audit(session, clock_.now_us(), author,
                       is_enabled ? "user.enable" : "user.disable", {{"user", user_name}});
  });
}

Status SqlCatalog::set_grants(const std::string& user_name, const std::vector<Grant>& grants,
                              const std::string& author) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(lock_audit(session));
    WEIR_TRY(expect_user(session, user_name));
    WEIR_ASSIGN(const int64_t admins, count_admins(session));
    WEIR_TRY(delete_of(session, "user_grant", user_name));
    WEIR_TRY(insert_grants(session, user_name, grants));
    WEIR_TRY(expect_admin(session, admins, user_name));
    return write_audit(session, clock_.now_us(), author, "user.grants",
                       {{"user", user_name}, {"grants", grants_json(grants)}});
  });
}

Status SqlCatalog::add_token(const ApiToken& token, const std::string& author) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(lock_audit(session));
    WEIR_TRY(expect_user(session, token.user_name));
    const int64_t now_us = clock_.now_us();
    WEIR_ASSIGN(const int64_t rows,
                session.insert("api_token",
                               {{"api_token_id", token.api_token_id},
                                {"user_name", token.user_name},
                                {"name", token.name},
                                {"prefix", token.prefix},
                                {"token_hash", token.token_hash},
                                {"flow_pattern", token.limit.flow_pattern},
                                {"role", token.limit.role},
                                {"created_at_us", now_us},
                                {"expires_at_us", null_if_zero(token.expires_at_us)}},
                               "ON CONFLICT (user_name, name) DO NOTHING"));
    if (rows == 0)
      return fail_with_hint(ErrorCode::kAlreadyExists,
                            fmt::format("user '{}' has a token '{}'", token.user_name, token.name),
                            "`weir token revoke` takes it away; or give the new one another name");
    return write_audit(session, now_us, author, "token.create",
                       {{"user", token.user_name},
                        {"token_id", token.api_token_id},
                        {"name", token.name},
                        {"flows", token.limit.flow_pattern},
                        {"role", token.limit.role}});
  });
}

Result<std::vector<ApiToken>> SqlCatalog::tokens() {
  WEIR_ASSIGN(const auto rows, database_->read([](Session& session) {
    return session.select(kTokenColumns, "FROM api_token ORDER BY user_name, name");
  }));
  return read_all(rows, read_token);
}

Result<std::optional<ApiToken>> SqlCatalog::find_token(const std::string& token_hash) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(kTokenColumns, "FROM api_token WHERE token_hash = :token_hash",
                          {{"token_hash", token_hash}});
  }));
  if (rows.empty()) return std::nullopt;
  return read_token(rows.front());
}

Status SqlCatalog::revoke_token(const std::string& api_token_id, const std::string& author) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(lock_audit(session));
    WEIR_ASSIGN(const int64_t rows,
                session.execute("DELETE FROM api_token WHERE api_token_id = :api_token_id",
                                {{"api_token_id", api_token_id}}));
    if (rows == 0)
      return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no token {}", api_token_id),
                            "`weir token list` lists them");
    return write_audit(session, clock_.now_us(), author, "token.revoke",
                       {{"token_id", api_token_id}});
  });
}

Status SqlCatalog::note_use(const ApiToken& token, int64_t at_us) {
  if (token.last_used_at_us + kMinuteUs > at_us) return {};
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(session.update("api_token", {{"last_used_at_us", at_us}},
                            "WHERE api_token_id = :api_token_id",
                            {{"api_token_id", token.api_token_id}}));
    return {};
  });
}

Status SqlCatalog::add_session(const WebSession& web_session) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(session.execute("DELETE FROM web_session WHERE expires_at_us < :now_us",
                             {{"now_us", clock_.now_us()}}));
    WEIR_TRY(session.insert("web_session", {{"session_hash", web_session.session_hash},
                                            {"user_name", web_session.user_name},
                                            {"created_at_us", web_session.created_at_us},
                                            {"expires_at_us", web_session.expires_at_us}}));
    return {};
  });
}

Result<std::optional<WebSession>> SqlCatalog::find_session(const std::string& session_hash) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select("session_hash, user_name, created_at_us, expires_at_us",
                          "FROM web_session WHERE session_hash = :session_hash",
                          {{"session_hash", session_hash}});
  }));
  if (rows.empty()) return std::nullopt;
  RowReader reader("web_session", rows.front(), "one");
  WebSession found{.session_hash = reader.text("session_hash"),
                   .user_name = reader.text("user_name"),
                   .created_at_us = reader.integer("created_at_us"),
                   .expires_at_us = reader.integer("expires_at_us")};
  WEIR_TRY(reader.status());
  return found;
}

Status SqlCatalog::end_session(const std::string& session_hash) {
  return database_->write([&](Session& session) -> Status {
    WEIR_TRY(session.execute("DELETE FROM web_session WHERE session_hash = :session_hash",
                             {{"session_hash", session_hash}}));
    return {};
  });
}

}  // namespace weir::catalog
