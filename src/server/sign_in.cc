#include "server/sign_in.h"

#include "base/digest.h"
#include "server/password.h"

namespace weir::server {
namespace {

constexpr int64_t kSessionS = 12 * 3600;
/// Each takes 19 MiB and a core for a moment.
constexpr int kMostHashing = 3;

std::unexpected<Error> unknown() {
  return fail_with_hint(ErrorCode::kDenied, "name or password is wrong",
                        "`weir user password NAME` sets another password");
}

std::unexpected<Error> no_token() {
  return fail_with_hint(ErrorCode::kDenied, "the token is not known, was revoked or ran out",
                        "`weir token create` makes one");
}

std::unexpected<Error> no_session() {
  return fail_with_hint(ErrorCode::kDenied, "the session has ended", "sign in again");
}

}  // namespace

Result<std::unique_ptr<SignIn>> SignIn::make(catalog::Catalog& catalog, Clock& clock, Log& log) {
  WEIR_ASSIGN(const std::string word, random_word());
  WEIR_ASSIGN(std::string hash, hash_password(word));
  return std::unique_ptr<SignIn>(new SignIn(catalog, clock, log, std::move(hash)));
}

Result<bool> SignIn::is_right(const std::optional<catalog::UserAccount>& user,
                              const std::string& password) {
  const int at_once = hashing_.fetch_add(1) + 1;
  const bool may = at_once <= kMostHashing;
  // For somebody who is not there the same work is done: the time tells nobody who is.
  const bool has_password = user && user->is_enabled && !user->password_hash.empty();
  const bool is_same =
      may && is_password(has_password ? user->password_hash : nobodys_hash_, password);
  hashing_.fetch_sub(1);
  if (!may) return fail(ErrorCode::kResourceExhausted, "{} sign in at once", at_once);
  return is_same && has_password;
}

Result<SignIn::Session> SignIn::with_password(const std::string& user_name,
                                              const std::string& password,
                                              const std::string& address) {
  WEIR_ASSIGN(const auto user, catalog_.accounts().find_user(user_name));
  WEIR_ASSIGN(const bool is_right_one, is_right(user, password));
  if (!is_right_one) {
    attempts_.note_failure(user_name, address);
    return unknown();
  }
  attempts_.note_success(user_name, address);
  Session session;
  WEIR_ASSIGN(session.word, random_word());
  session.lasts_s = kSessionS;
  session.caller.user_name = user_name;
  session.caller.author = user_name;
  session.caller.has_cookie = true;
  session.caller.session_hash = sha256_hex(session.word);
  WEIR_ASSIGN(session.caller.rights, Rights::of(user->grants));
  const int64_t now_us = clock_.now_us();
  WEIR_TRY(catalog_.accounts().add_session({.session_hash = session.caller.session_hash,
                                            .user_name = user_name,
                                            .created_at_us = now_us,
                                            .expires_at_us = now_us + kSessionS * 1'000'000}));
  return session;
}

Status SignIn::confirm(const std::string& user_name, const std::string& password,
                       const std::string& address) {
  if (const int64_t wait_s = wait_seconds(user_name, address); wait_s > 0)
    return fail_with_hint(ErrorCode::kDenied, "there were too many passwords that were wrong",
                          fmt::format("try again in {} seconds", wait_s));
  WEIR_ASSIGN(const auto user, catalog_.accounts().find_user(user_name));
  WEIR_ASSIGN(const bool is_right_one, is_right(user, password));
  if (is_right_one) return {};
  attempts_.note_failure(user_name, address);
  return fail(ErrorCode::kDenied, "the current password is another one");
}

Status SignIn::sign_out(const Caller& caller) {
  if (caller.session_hash.empty()) return {};
  return catalog_.accounts().end_session(caller.session_hash);
}

Result<Caller> SignIn::with_token(const std::string& text) {
  if (!text.starts_with(kTokenMark) || text.size() > 200) return no_token();
  WEIR_ASSIGN(const auto token, catalog_.accounts().find_token(sha256_hex(text)));
  const int64_t now_us = clock_.now_us();
  if (!token || (token->expires_at_us != 0 && token->expires_at_us <= now_us)) return no_token();
  WEIR_ASSIGN(const auto user, catalog_.accounts().find_user(token->user_name));
  if (!user || !user->is_enabled) return no_token();
  Caller caller;
  caller.user_name = user->user_name;
  caller.author = fmt::format("{}, token {}", user->user_name, token->name);
  WEIR_ASSIGN(const Rights all, Rights::of(user->grants));
  caller.rights = all.within(token->limit);
  const std::lock_guard lock(mutex_);
  used_[token->api_token_id] = *token;
  return caller;
}

Result<Caller> SignIn::with_cookie(const std::string& word) {
  const std::string hash = sha256_hex(word);
  WEIR_ASSIGN(const auto session, catalog_.accounts().find_session(hash));
  if (!session || session->expires_at_us <= clock_.now_us()) return no_session();
  WEIR_ASSIGN(const auto user, catalog_.accounts().find_user(session->user_name));
  if (!user || !user->is_enabled) return no_session();
  Caller caller;
  caller.user_name = user->user_name;
  caller.author = user->user_name;
  caller.has_cookie = true;
  caller.session_hash = hash;
  WEIR_ASSIGN(caller.rights, Rights::of(user->grants));
  return caller;
}

Result<bool> SignIn::has_accounts() {
  // Once there was one the words for the first are not needed again.
  if (has_accounts_) return true;
  WEIR_ASSIGN(const int64_t count, catalog_.accounts().count_users());
  has_accounts_ = count > 0;
  return count > 0;
}

void SignIn::write_uses() {
  std::map<std::string, catalog::ApiToken> used;
  {
    const std::lock_guard lock(mutex_);
    used.swap(used_);
  }
  for (const auto& [id, token] : used) {
    const auto noted = catalog_.accounts().note_use(token, clock_.now_us());
    if (!noted)
      log_.warning("when a token was used last is not written: {}", to_line(noted.error()));
  }
}

}  // namespace weir::server
