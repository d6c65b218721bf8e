#pragma once

/// What makes an account, a grant or a token a good one: the same for who asks by the program and
/// who asks by the API. It keeps nothing.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "catalog/accounts.h"

namespace weir::server {

/// kInvalidConfig for a role or a pattern of flows that is none.
Result<catalog::Grant> make_grant(const std::string& flows, const std::string& role);

/// kInvalidConfig where there are more than a scope holds, or two for one pattern.
Status check_grants(const std::vector<catalog::Grant>& grants);

struct TokenWish {
  std::string user_name;
  std::string name;
  std::string role = "viewer";
  std::string flows = "*";
  std::string lasts = "90d";  ///< A duration, or `never`.
};
struct MadeToken {
  catalog::ApiToken row;
  std::string text;  ///< Nobody keeps it.
};
/// A token that is nowhere yet.
Result<MadeToken> make_token(const TokenWish& wish, Clock& clock, Random& random);

}  // namespace weir::server
