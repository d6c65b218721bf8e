// AWS Secrets Manager, API version 2017-10-17: GetSecretValue and ListSecrets.

#include "secrets/aws_secrets.h"
#include "base/base64.h"

namespace weir::secrets {
namespace {

class ManagerKeeper final : public Keeper {
 public:
  ManagerKeeper(ManagerOptions options, net::AwsGround ground)
      : prefix_(std::move(options.prefix)),
        client_({.service = "secretsmanager",
                 .target = "secretsmanager",
                 .region = std::move(options.region),
                 .endpoint = std::move(options.endpoint)},
                std::move(ground)) {}

  std::string name() const override { return "AWS Secrets Manager"; }

  Result<std::string> fetch(const std::string& id, const Cancel& cancel) override {
    // The newest that is in force: the other stages are of a rotation under way, or over.
    WEIR_ASSIGN(const Json answer,
                client_.call("GetSecretValue",
                             {{"SecretId", prefix_ + id}, {"VersionStage", "AWSCURRENT"}}, cancel));
    if (const auto text = answer.find("SecretString"); text != answer.end() && text->is_string())
      return text->get<std::string>();
    WEIR_ASSIGN(const std::string binary, json_field<std::string>(answer, "SecretBinary"));
    return from_base64(binary);
  }

  Result<std::optional<std::vector<std::string>>> list(const Cancel& cancel) override {
    std::vector<std::string> ids;
    Json asked = {{"MaxResults", 100}};
    if (!prefix_.empty())
      asked["Filters"] = Json::array({{{"Key", "name"}, {"Values", Json::array({prefix_})}}});
    for (;;) {
      WEIR_ASSIGN(const Json answer, client_.call("ListSecrets", asked, cancel));
      WEIR_ASSIGN(const Json list, json_field_or<Json>(answer, "SecretList", Json::array()));
      for (const auto& each : list) {
        WEIR_ASSIGN(std::string id, json_field<std::string>(each, "Name"));
        if (!id.starts_with(prefix_)) continue;
        ids.push_back(id.substr(prefix_.size()));
      }
      WEIR_ASSIGN(const auto next, json_field_or<std::string>(answer, "NextToken", ""));
      if (next.empty()) return ids;
      asked["NextToken"] = next;
    }
  }

 private:
  const std::string prefix_;
  net::AwsJson client_;
};

}  // namespace

std::unique_ptr<Keeper> make_secrets_manager_keeper(ManagerOptions options, net::AwsGround ground) {
  return std::make_unique<ManagerKeeper>(std::move(options), std::move(ground));
}

}  // namespace weir::secrets
