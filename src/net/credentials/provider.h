#pragma once

/// The providers of the chain, one function each.

#include <optional>
#include <string>
#include <vector>

#include "net/credentials.h"

namespace weir::net::credentials {

/// Nothing: that provider is not configured here, and a line of `notes` says so. An error: it is,
/// and does not work; the chain ends there, for other keys than the configured ones would surprise.
using Found = std::optional<Credentials>;

/// What all providers are given. `notes` collects why there is nothing.
struct Search {
  const CredentialOptions& options;
  const CredentialGround& ground;
  const Cancel& cancel;
  std::vector<std::string> notes = {};

  std::string variable(const std::string& name) const {
    return ground.environment->get(name).value_or("");
  }
};

Result<Found> from_environment(Search& search);
Result<Found> from_profile(Search& search);
Result<Found> from_web_identity(Search& search);
Result<Found> from_container(Search& search);
Result<Found> from_instance(Search& search);

struct Role {
  std::string arn;
  std::string external_id;
  std::string session_name;
  int64_t duration_s = 3600;
};
/// AWS STS: AssumeRole, signed with `by`.
Result<Credentials> assume_role(const Search& search, const Role& role, const Credentials& by);
/// AWS STS: AssumeRoleWithWebIdentity with the token that the file holds now.
Result<Credentials> assume_role_with_token(const Search& search, const Role& role,
                                           const std::string& token_file);

/// The text of a small file, without blanks at its ends. kNotFound, or kDenied.
Result<std::string> read_small_file(const std::string& path);

/// The answer to one request, tried again where nobody answered or the server was at fault.
Result<Response> send_patiently(const Search& search, const Request& request, int tries);

/// `path` with the user's home for a `~` at the front.
std::string expand_home(const Search& search, const std::string& path);

}  // namespace weir::net::credentials
