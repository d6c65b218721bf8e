#include <sys/stat.h>
#include <fstream>
#include <mutex>

#include "base/check.h"
#include "net/credentials.h"
#include "net/credentials/provider.h"

namespace weir::net {
namespace credentials {

Result<Found> from_environment(Search& search) {
  Credentials credentials{.access_key_id = search.variable("AWS_ACCESS_KEY_ID"),
                          .secret_access_key = search.variable("AWS_SECRET_ACCESS_KEY"),
                          .session_token = search.variable("AWS_SESSION_TOKEN"),
                          .source = "environment"};
  if (credentials.access_key_id.empty() && credentials.secret_access_key.empty()) {
    search.notes.emplace_back("environment: AWS_ACCESS_KEY_ID is not set");
    return std::nullopt;
  }
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("{} is not set, and its other half is",
                                      credentials.access_key_id.empty() ? "AWS_ACCESS_KEY_ID"
                                                                        : "AWS_SECRET_ACCESS_KEY"),
                          "set both, or none of them");
  return credentials;
}

Result<Found> from_web_identity(Search& search) {
  const auto file = search.variable("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (file.empty()) {
    search.notes.emplace_back("web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    return std::nullopt;
  }
  Role role{.arn = search.variable("AWS_ROLE_ARN"),
            .external_id = {},
            .session_name = search.variable("AWS_ROLE_SESSION_NAME")};
  if (role.arn.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not",
                          "name the role that the token is for");
  if (role.session_name.empty()) role.session_name = search.options.session_name;
  return assume_role_with_token(search, role, file);
}

Result<std::string> read_small_file(const std::string& path) {
  constexpr std::streamsize kMost = 1 << 16;
  struct stat found{};
  if (stat(path.c_str(), &found) != 0)
    return fail(ErrorCode::kNotFound, "there is no file '{}'", path);
  std::ifstream file(path, std::ios::binary);
  std::string text(static_cast<size_t>(kMost), '\0');
  file.read(text.data(), kMost);
  if (file.bad() || (!file && !file.eof()))
    return fail(ErrorCode::kDenied, "the file '{}' cannot be read", path);
  text.resize(static_cast<size_t>(file.gcount()));
  const auto last = text.find_last_not_of(" \t\r\n");
  text.resize(last == std::string::npos ? 0 : last + 1);
  if (text.empty()) return fail(ErrorCode::kInvalidData, "the file '{}' is empty", path);
  return text;
}

std::string expand_home(const Search& search, const std::string& path) {
  return path.starts_with("~/") ? search.variable("HOME") + path.substr(1) : path;
}

Result<Response> send_patiently(const Search& search, const Request& request, int tries) {
  const Backoff backoff;
  for (int failed = 1;; ++failed) {
    auto response = search.ground.http->send(request, search.cancel);
    // Asking for keys changes nothing, so an answer that was lost may be asked for again.
    const bool is_lost = !response && (response.error().code == ErrorCode::kUnavailable ||
                                       response.error().code == ErrorCode::kOutcomeUnknown);
    const bool is_servers = response && (response->status >= 500 || response->status == 429);
    if (!is_lost && !is_servers) return response;
    if (failed >= tries) {
      if (is_lost) response.error().code = ErrorCode::kUnavailable;
      return response;
    }
    WEIR_TRY(search.ground.wait(backoff.wait_ms(failed, *search.ground.random), search.cancel));
  }
}

}  // namespace credentials

namespace {

using credentials::Found;
using credentials::Search;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kFetchBeforeUs = int64_t{5} * 60 * kSecondUs;
constexpr int64_t kLeastUs = 60 * kSecondUs;
constexpr int64_t kTryAgainUs = 30 * kSecondUs;

/// Asks one provider after the other.
Result<Credentials> search_all(Search& search) {
  for (const auto provider :
       {credentials::from_environment, credentials::from_profile, credentials::from_web_identity,
        credentials::from_container, credentials::from_instance}) {
    WEIR_ASSIGN(Found found, provider(search));
    if (found) return *std::move(found);
  }
  std::string all;
  for (const auto& note : search.notes) all += (all.empty() ? "" : "; ") + note;
  return fail_with_hint(ErrorCode::kDenied, fmt::format("there are no AWS credentials ({})", all),
                        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with "
                        "AWS_PROFILE");
}

class Chain final : public CredentialSource {
 public:
  Chain(CredentialOptions options, CredentialGround ground)
      : options_(std::move(options)), ground_(std::move(ground)) {}

  Result<Credentials> get(const Cancel& cancel) override {
    if (const auto kept = lasting(kFetchBeforeUs); kept) return *kept;
    const auto usable = lasting(kLeastUs);
    std::unique_lock fetching(fetching_, std::defer_lock);
    if (usable && (!is_due() || !fetching.try_lock())) return *usable;
    if (!fetching.owns_lock()) fetching.lock();
    // Somebody else may have fetched them meanwhile.
    if (const auto kept = lasting(kFetchBeforeUs); kept) return *kept;
    auto fetched = fetch(cancel);
    const std::lock_guard lock(mutex_);
    try_again_at_us_ = ground_.clock->now_us() + kTryAgainUs;
    if (!fetched) {
      if (usable) return *usable;  // they last for a while: try again later
      return fetched;
    }
    kept_ = *fetched;
    return fetched;
  }

  void forget(const Credentials& credentials) override {
    const std::lock_guard lock(mutex_);
    if (kept_ && kept_->access_key_id == credentials.access_key_id &&
        kept_->session_token == credentials.session_token)
      kept_.reset();
  }

 private:
  /// What is kept, where it lasts for so long.
  std::optional<Credentials> lasting(int64_t for_us) {
    const std::lock_guard lock(mutex_);
    const bool lasts = kept_ && (kept_->expires_at_us == 0 ||
                                 kept_->expires_at_us - ground_.clock->now_us() > for_us);
    return lasts ? kept_ : std::nullopt;
  }
  bool is_due() {
    const std::lock_guard lock(mutex_);
    return ground_.clock->now_us() >= try_again_at_us_;
  }
  Result<Credentials> fetch(const Cancel& cancel) {
    Search search{options_, ground_, cancel};
    Result<Credentials> base = options_.given ? *options_.given : search_all(search);
    if (!base || options_.role_arn.empty()) return base;
    return credentials::assume_role(search,
                                    {.arn = options_.role_arn,
                                     .external_id = options_.external_id,
                                     .session_name = options_.session_name},
                                    *base);
  }

  const CredentialOptions options_;
  const CredentialGround ground_;
  std::mutex fetching_;  ///< Held by the one thread that fetches.
  std::mutex mutex_;
  std::optional<Credentials> kept_ WEIR_GUARDED_BY(mutex_);
  int64_t try_again_at_us_ WEIR_GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::unique_ptr<CredentialSource> make_credential_source(CredentialOptions options,
                                                         CredentialGround ground) {
  WEIR_CHECK(ground.http != nullptr && ground.environment != nullptr && ground.clock != nullptr &&
             ground.random != nullptr && ground.wait != nullptr);
  return std::make_unique<Chain>(std::move(options), std::move(ground));
}

}  // namespace weir::net
