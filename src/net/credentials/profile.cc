/// Keys of a profile: its own, or those of a role that it takes on with the keys of another.

#include <charconv>
#include <set>

#include "net/credentials/profiles.h"
#include "net/credentials/provider.h"

namespace weir::net::credentials {
namespace {

std::string setting(const Profile& profile, const char* name) {
  const auto found = profile.find(name);
  return found == profile.end() ? std::string() : found->second;
}

class ProfileReader {
 public:
  ProfileReader(Search& search, const Profiles& profiles) : search_(search), profiles_(profiles) {}

  /// Nothing where the profile has no keys at all.
  Result<Found> keys_of(const std::string& name) {
    const auto found = profiles_.by_name.find(name);
    if (found == profiles_.by_name.end())
      return refuse(name, fmt::format("is not there; looked in {}", profiles_.places),
                    "name another one with AWS_PROFILE, or add it");
    const Profile& profile = found->second;
    if (const auto arn = setting(profile, "role_arn"); !arn.empty())
      return keys_of_role(name, profile, arn);
    return own_keys(name, profile);
  }

 private:
  Result<Found> own_keys(const std::string& name, const Profile& profile) {
    Credentials credentials{.access_key_id = setting(profile, "aws_access_key_id"),
                            .secret_access_key = setting(profile, "aws_secret_access_key"),
                            .session_token = setting(profile, "aws_session_token"),
                            .source = fmt::format("profile '{}'", name)};
    if (!credentials.access_key_id.empty() && !credentials.secret_access_key.empty())
      return credentials;
    if (credentials.access_key_id.empty() != credentials.secret_access_key.empty())
      return refuse(name, "has half a pair of aws_access_key_id and aws_secret_access_key",
                    "give both");
    for (const char* key : {"sso_session", "sso_start_url", "credential_process", "login_session"})
      if (profile.contains(key))
        return refuse(name, fmt::format("uses {}, which weir does not serve", key),
                      "put keys into the environment: `aws configure export-credentials --format "
                      "env` prints them");
    return std::nullopt;
  }

  Result<Found> keys_of_role(const std::string& name, const Profile& profile,
                             const std::string& arn) {
    if (!setting(profile, "mfa_serial").empty())
      return refuse(name, "needs a code of mfa_serial, and nobody is there to type it",
                    "use a role without MFA");
    Role role{.arn = arn,
              .external_id = setting(profile, "external_id"),
              .session_name = setting(profile, "role_session_name"),
              .duration_s = 3600};
    if (role.session_name.empty()) role.session_name = search_.options.session_name;
    if (const auto said = setting(profile, "duration_seconds"); !said.empty())
      std::from_chars(said.data(), said.data() + said.size(), role.duration_s);
    if (const auto file = setting(profile, "web_identity_token_file"); !file.empty())
      return assume_role_with_token(search_, role, expand_home(search_, file));
    WEIR_ASSIGN(const Found by, source_keys(name, profile));
    if (!by)
      return refuse(name, "has a role_arn, and its source has no keys",
                    "give source_profile or credential_source one with keys");
    return assume_role(search_, role, *by);
  }

  /// The keys with which the role of `name` is taken on.
  Result<Found> source_keys(const std::string& name, const Profile& profile) {
    if (const auto source = setting(profile, "source_profile"); !source.empty()) {
      // A profile may be its own source: then by the keys that it has itself.
      if (source == name) return own_keys(name, profile);
      if (!seen_.insert(name).second)
        return refuse(name, "leads back to itself by source_profile", "break the circle");
      return keys_of(source);
    }
    const auto source = setting(profile, "credential_source");
    if (source == "Environment") return from_environment(search_);
    if (source == "Ec2InstanceMetadata") return from_instance(search_);
    if (source == "EcsContainer") return from_container(search_);
    return refuse(name, "has a role_arn and neither source_profile nor a known credential_source",
                  "credential_source is Environment, Ec2InstanceMetadata or EcsContainer");
  }

  std::unexpected<Error> refuse(const std::string& name, std::string_view why,
                                std::string hint) const {
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("the AWS profile '{}' {}", name, why), std::move(hint));
  }

  Search& search_;
  const Profiles& profiles_;
  std::set<std::string> seen_;
};

}  // namespace

Result<Found> from_profile(Search& search) {
  const auto& environment = *search.ground.environment;
  WEIR_ASSIGN(const auto profiles, read_profiles(environment));
  const auto name = profile_name(environment, search.options.profile);
  const bool is_named = !search.options.profile.empty() || !search.variable("AWS_PROFILE").empty();
  if (!is_named && !profiles.by_name.contains(name)) {
    search.notes.push_back(fmt::format("profile: there is no '{}' in {}", name, profiles.places));
    return std::nullopt;
  }
  ProfileReader reader(search, profiles);
  WEIR_ASSIGN(Found found, reader.keys_of(name));
  if (!found) search.notes.push_back(fmt::format("profile: '{}' has no keys", name));
  return found;
}

}  // namespace weir::net::credentials
