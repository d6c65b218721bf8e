#pragma once

/// What somebody may do: a role for the flows of each pattern. Pure; nothing is allowed that no
/// grant says.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/accounts.h"
#include "catalog/overview.h"

namespace weir::server {

/// Each may do what those before it may.
enum class Role {
  kViewer,     ///< Sees flows, runs, logs.
  kOperator,   ///< Starts, retries and cancels runs, decides on holds, pauses flows.
  kDeveloper,  ///< Plans and applies the configuration.
  kAdmin,      ///< Reads the audit log, decides who may do what.
};

std::string_view to_text(Role role);
/// kInvalidConfig, with the roles that there are.
Result<Role> role_from_text(std::string_view text);

/// All that an account may do, or what is left of it for one of its tokens.
class Rights {
 public:
  Rights() = default;
  /// kCorrupt for a role that nobody knows, and for more grants than a scope holds.
  static Result<Rights> of(const std::vector<catalog::Grant>& grants);

  /// The same, but no more than `limit` allows.
  Rights within(const catalog::Grant& limit) const;

  bool allows(Role role, std::string_view flow_id) const;
  /// For what concerns no flow: a grant over all flows says it.
  bool allows_everywhere(Role role) const;
  /// Whether there may be a flow for which it is allowed.
  bool allows_somewhere(Role role) const;
  /// The flows for which it is allowed.
  catalog::FlowScope scope(Role role) const;

  struct Grant {
    std::string flow_pattern;
    Role role = Role::kViewer;
  };
  const std::vector<Grant>& grants() const { return grants_; }

 private:
  std::vector<Grant> grants_;
};

}  // namespace weir::server
