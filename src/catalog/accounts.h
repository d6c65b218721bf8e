#pragma once

/// Who may use a server, as rows: accounts with the hash of a password, what each may do for which
/// flows, tokens of programs and sessions of browsers, of which the catalog knows hashes alone. It
/// does not judge: whether a password is right and what a role allows is server's business.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weir::catalog {

/// What somebody may do for the flows of a pattern (catalog/overview.h).
struct Grant {
  std::string flow_pattern;
  std::string role;  ///< `viewer`, `operator`, `developer`, `admin`
  bool operator==(const Grant&) const = default;
};

struct UserAccount {
  std::string user_name;
  std::string password_hash;  ///< Empty: tokens alone.
  std::vector<Grant> grants;  ///< By pattern.
  bool is_enabled = true;
  int64_t created_at_us = 0;
  int64_t password_at_us = 0;  ///< When it was set; 0: never
};

struct ApiToken {
  std::string api_token_id;  ///< UUIDv7
  std::string user_name;
  std::string name;        ///< What it is for.
  std::string prefix;      ///< How the token begins: enough to know it again, no more.
  std::string token_hash;  ///< SHA-256, hex.
  Grant limit;             ///< No more than this of what the account may do.
  int64_t created_at_us = 0;
  int64_t expires_at_us = 0;    ///< 0: never
  int64_t last_used_at_us = 0;  ///< 0: never; to the minute
};

struct WebSession {
  std::string session_hash;  ///< SHA-256 of what the cookie holds, hex.
  std::string user_name;
  int64_t created_at_us = 0;
  int64_t expires_at_us = 0;
};

/// Safe to use from many threads at once. Codes as those of Catalog. Each change leaves a line in
/// the audit log, in the same transaction. Where somebody administers (`admin` for all flows, and
/// not switched off), somebody still does after each change.
class Accounts {
 public:
  virtual ~Accounts() = default;

  virtual Result<int64_t> count_users() = 0;
  virtual Result<std::vector<UserAccount>> users() = 0;  ///< By name.
  virtual Result<std::optional<UserAccount>> find_user(const std::string& user_name) = 0;
  /// kAlreadyExists.
  virtual Status add_user(const UserAccount& user, const std::string& author) = 0;
  /// Takes tokens and sessions along. kNotFound; kConflict for the last who administers.
  virtual Status remove_user(const std::string& user_name, const std::string& author) = 0;
  /// A new password ends all sessions of the user. kNotFound.
  virtual Status set_password(const std::string& user_name, const std::string& password_hash,
                              const std::string& author) = 0;
  /// Switched off: no password, token or session lets it in; its sessions end. kNotFound; kConflict
  /// for the last who administers.
  virtual Status set_enabled(const std::string& user_name, bool is_enabled,
                             const std::string& author) = 0;
  /// In place of those that the user had. kNotFound; kConflict where nobody would administer.
  virtual Status set_grants(const std::string& user_name, const std::vector<Grant>& grants,
                            const std::string& author) = 0;

  /// kNotFound for no such user, kAlreadyExists for a name that a token of the user has.
  virtual Status add_token(const ApiToken& token, const std::string& author) = 0;
  virtual Result<std::vector<ApiToken>> tokens() = 0;  ///< By user, then name.
  virtual Result<std::optional<ApiToken>> find_token(const std::string& token_hash) = 0;
  /// Deletes it. kNotFound.
  virtual Status revoke_token(const std::string& api_token_id, const std::string& author) = 0;
  /// Writes at most once a minute.
  virtual Status note_use(const ApiToken& token, int64_t at_us) = 0;

  /// Ended sessions go. Leaves no line: who signs in is told by the server.
  virtual Status add_session(const WebSession& session) = 0;
  virtual Result<std::optional<WebSession>> find_session(const std::string& session_hash) = 0;
  virtual Status end_session(const std::string& session_hash) = 0;
};

}  // namespace weir::catalog
