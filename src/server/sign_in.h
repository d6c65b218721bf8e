#pragma once

/// Who somebody is: by password, by the cookie that a password earned, or by a token. It says what
/// an account may do, and does not judge a request.

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "catalog/accounts.h"
#include "catalog/catalog.h"
#include "server/attempts.h"
#include "server/route.h"

namespace weir::server {

/// Safe to use from many threads at once.
class SignIn {
 public:
  /// kInternal where libsodium does not start.
  static Result<std::unique_ptr<SignIn>> make(catalog::Catalog& catalog, Clock& clock, Log& log);

  struct Session {
    std::string word;  ///< For the cookie.
    int64_t lasts_s = 0;
    Caller caller;
  };
  /// kDenied in the same words whatever is wrong, after the same time. kResourceExhausted where
  /// too many sign in at once.
  Result<Session> with_password(const std::string& user_name, const std::string& password,
                                const std::string& address);
  /// Whether it is the password of the account: kDenied where it is not, and for a while after too
  /// many that were not.
  Status confirm(const std::string& user_name, const std::string& password,
                 const std::string& address);
  /// Seconds to wait before the next attempt; 0: none.
  int64_t wait_seconds(const std::string& user_name, const std::string& address) {
    return attempts_.wait_seconds(user_name, address);
  }
  Status sign_out(const Caller& caller);

  /// kDenied where it is none, ran out, or its account is switched off.
  Result<Caller> with_token(const std::string& token);
  Result<Caller> with_cookie(const std::string& word);

  Result<bool> has_accounts();

  /// Writes when tokens were used last: beside the requests, which wait for nobody.
  void write_uses();

 private:
  SignIn(catalog::Catalog& catalog, Clock& clock, Log& log, std::string nobodys_hash)
      : catalog_(catalog),
        clock_(clock),
        log_(log),
        nobodys_hash_(std::move(nobodys_hash)),
        attempts_(clock) {}

  Result<bool> is_right(const std::optional<catalog::UserAccount>& user,
                        const std::string& password);

  catalog::Catalog& catalog_;
  Clock& clock_;
  Log& log_;
  const std::string nobodys_hash_;
  Attempts attempts_;
  std::atomic<int> hashing_ = 0;
  std::atomic<bool> has_accounts_ = false;
  std::mutex mutex_;
  std::map<std::string, catalog::ApiToken> used_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::server
