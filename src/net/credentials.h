#pragma once

/// Where AWS keys come from, in the order and by the names that AWS's own tools use ("Standardized
/// credential providers" of the AWS SDKs and Tools Reference Guide): given ones, the environment,
/// profiles in ~/.aws, a web identity, a container's endpoint, an instance's metadata. Keys are
/// never in a message. SSO, MFA and credential_process are not served: that is said where a profile
/// asks for one.

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/environment.h"
#include "base/ids.h"
#include "net/http.h"
#include "net/retry.h"
#include "net/sigv4.h"

namespace weir::net {

struct CredentialOptions {
  std::optional<Credentials> given;  ///< Nothing else is asked where they are.
  std::string profile;               ///< Empty: AWS_PROFILE, then `default`.
  std::string role_arn;              ///< Taken on with what the others give; empty: none.
  std::string external_id;
  std::string session_name = "weir";
  std::string region;        ///< Of STS; empty: configured_region().
  std::string sts_endpoint;  ///< Empty: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, the region's.
  std::string
      instance_endpoint;  ///< Empty: AWS_EC2_METADATA_SERVICE_ENDPOINT, then 169.254.169.254.
  std::string container_endpoint;  ///< For the relative URI; empty: http://169.254.170.2.
};

/// What a source works with. Everything outlives it.
struct CredentialGround {
  Http* http = nullptr;
  const Environment* environment = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Wait wait;
};

/// Safe to use from many threads at once.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;

  /// Keys that last for a minute at least. They are kept, and fetched anew five minutes before they
  /// expire, by one thread while the others go on with the old ones.
  /// kDenied where nobody has any, with what each provider said, or where STS refuses;
  /// kInvalidConfig for a provider that is configured wrongly; kUnavailable where one does not
  /// answer.
  virtual Result<Credentials> get(const Cancel& cancel) = 0;

  /// The service did not take these: the next get() fetches anew.
  virtual void forget(const Credentials& credentials) = 0;
};

std::unique_ptr<CredentialSource> make_credential_source(CredentialOptions options,
                                                         CredentialGround ground);

/// AWS_REGION, AWS_DEFAULT_REGION, or the region of the profile; empty where none says one.
/// kInvalidConfig for a profile file that cannot be read as one.
Result<std::string> configured_region(const Environment& environment, const std::string& profile);

}  // namespace weir::net
