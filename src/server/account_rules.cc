#include "server/account_rules.h"

#include <set>

#include "base/digest.h"
#include "base/instant.h"
#include "catalog/overview.h"
#include "model/names.h"
#include "server/password.h"
#include "server/role.h"

namespace weir::server {

Result<catalog::Grant> make_grant(const std::string& flows, const std::string& role) {
  WEIR_ASSIGN(const auto known, role_from_text(role));
  if (!catalog::is_flow_pattern(flows))
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'{}' is no pattern of flows", flows),
                          "write the name of a flow, or the beginning of names and '*': 'sales_*'");
  return catalog::Grant{flows, std::string(to_text(known))};
}

Status check_grants(const std::vector<catalog::Grant>& grants) {
  if (grants.size() > catalog::kMaxScopePatterns)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("a user has at most {} grants", catalog::kMaxScopePatterns),
                          "name flows that belong together alike: 'sales_*'");
  std::set<std::string> patterns;
  for (const auto& grant : grants)
    if (!patterns.insert(grant.flow_pattern).second)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("there are two roles for '{}'", grant.flow_pattern),
                            "the higher one contains the other");
  return {};
}

Result<MadeToken> make_token(const TokenWish& wish, Clock& clock, Random& random) {
  WEIR_TRY(model::check_name(wish.name, "token"));
  MadeToken made;
  WEIR_ASSIGN(made.row.limit, make_grant(wish.flows, wish.role));
  if (wish.lasts != "never") {
    WEIR_ASSIGN(const int64_t lasts_ms,
                while_doing(parse_duration_ms(wish.lasts), "reading how long the token lasts"));
    made.row.expires_at_us = clock.now_us() + lasts_ms * 1000;
  }
  WEIR_ASSIGN(const std::string word, random_word());
  made.text = std::string(kTokenMark) + word;
  made.row.api_token_id = make_uuid7(clock, random);
  made.row.user_name = wish.user_name;
  made.row.name = wish.name;
  made.row.prefix = made.text.substr(0, kShownOfToken);
  made.row.token_hash = sha256_hex(made.text);
  return made;
}

}  // namespace weir::server
