#include "server/role.h"

#include <algorithm>
#include <array>

#include "base/nearest.h"

namespace weir::server {
namespace {

constexpr std::array<std::string_view, 4> kRoles = {"viewer", "operator", "developer", "admin"};

/// The flows that are in both patterns, as a pattern; nothing where there are none.
std::optional<std::string> common(const std::string& one, const std::string& other) {
  const bool is_one_open = one.ends_with('*');
  const bool is_other_open = other.ends_with('*');
  const auto stem = [](const std::string& pattern, bool is_open) {
    return std::string_view(pattern).substr(0, pattern.size() - (is_open ? 1 : 0));
  };
  const auto a = stem(one, is_one_open);
  const auto b = stem(other, is_other_open);
  // Of two that begin alike the longer one says less.
  if (is_other_open && a.starts_with(b)) return one;
  if (is_one_open && b.starts_with(a)) return other;
  if (one == other) return one;
  return std::nullopt;
}

}  // namespace

std::string_view to_text(Role role) { return kRoles.at(static_cast<size_t>(role)); }

Result<Role> role_from_text(std::string_view text) {
  const auto found = std::ranges::find(kRoles, text);
  if (found != kRoles.end()) return static_cast<Role>(found - kRoles.begin());
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no role '{}'", text),
                        did_you_mean(text, {kRoles.begin(), kRoles.end()}) +
                            fmt::format("roles are: {}", fmt::join(kRoles, ", ")));
}

Result<Rights> Rights::of(const std::vector<catalog::Grant>& grants) {
  Rights rights;
  if (grants.size() > catalog::kMaxScopePatterns)
    return fail(ErrorCode::kCorrupt, "a user has more than {} grants", catalog::kMaxScopePatterns);
  for (const auto& grant : grants) {
    const auto role = role_from_text(grant.role);
    if (!role) return fail(ErrorCode::kCorrupt, "table 'user_grant' has a role '{}'", grant.role);
    rights.grants_.push_back({grant.flow_pattern, *role});
  }
  return rights;
}

Rights Rights::within(const catalog::Grant& limit) const {
  Rights less;
  const auto most = role_from_text(limit.role);
  if (!most) return less;
  for (const Grant& grant : grants_) {
    if (const auto pattern = common(grant.flow_pattern, limit.flow_pattern))
      less.grants_.push_back({*pattern, std::min(grant.role, *most)});
  }
  return less;
}

catalog::FlowScope Rights::scope(Role role) const {
  catalog::FlowScope scope;
  for (const Grant& grant : grants_) {
    if (grant.role >= role) scope.patterns.push_back(grant.flow_pattern);
  }
  return scope;
}

bool Rights::allows(Role role, std::string_view flow_id) const { return scope(role).has(flow_id); }

bool Rights::allows_everywhere(Role role) const { return scope(role).has_all(); }

bool Rights::allows_somewhere(Role role) const { return !scope(role).patterns.empty(); }

}  // namespace weir::server
