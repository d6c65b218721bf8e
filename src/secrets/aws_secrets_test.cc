#include "secrets/aws_secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "testing/http_server.h"

namespace weir::secrets {
namespace {

using testing::Answer;
using testing::Asked;
using ::testing::ElementsAre;

class FixedKeys final : public net::CredentialSource {
 public:
  Result<net::Credentials> get(const Cancel& /*cancel*/) override {
    net::Credentials keys;
    keys.access_key_id = "KEY";
    keys.secret_access_key = "hidden-half";
    return keys;
  }
  void forget(const net::Credentials& /*credentials*/) override {}
};

class ManagerTest : public ::testing::Test {
 protected:
  void serve(std::function<Json(const Json& asked)> answer) {
    server_ = testing::start_http_server([answer](const Asked& asked) -> Answer {
      const Json answered = answer(*parse_json(asked.body));
      return {.status = answered.contains("__type") ? 400 : 200, .body = dump_json(answered)};
    });
    keeper_ = make_secrets_manager_keeper(
        {.region = "eu-west-1", .endpoint = server_->url(), .prefix = "weir/prod/"},
        {.http = http_.get(),
         .credentials = &keys_,
         .clock = clock_.get(),
         .random = random_.get(),
         .wait = [](int64_t, const Cancel&) -> Status { return {}; }});
  }

  FixedKeys keys_;
  std::unique_ptr<net::Http> http_ = *net::make_http({}, net::Reach::anywhere());
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Random> random_ = make_system_random();
  std::unique_ptr<testing::HttpServer> server_;
  std::unique_ptr<Keeper> keeper_;
  Cancel never_;
};

TEST_F(ManagerTest, FetchesTheVersionInForce) {
  serve([](const Json& asked) -> Json {
    if (asked["SecretId"] == "weir/prod/shop-db" && asked["VersionStage"] == "AWSCURRENT")
      return {{"Name", "weir/prod/shop-db"}, {"SecretString", "text of it"}};
    if (asked["SecretId"] == "weir/prod/binary")
      return {{"SecretBinary", base64(std::string("\0\xff raw", 6))}};
    return {{"__type", "ResourceNotFoundException"}, {"Message", "no"}};
  });
  EXPECT_EQ(*keeper_->fetch("shop-db", never_), "text of it");
  EXPECT_EQ(*keeper_->fetch("binary", never_), std::string("\0\xff raw", 6));
  EXPECT_EQ(keeper_->fetch("other", never_).error().code, ErrorCode::kNotFound);
}

TEST_F(ManagerTest, ASecretThatMayNotBeReadIsNotOneThatIsNotThere) {
  serve([](const Json&) -> Json { return {{"__type", "AccessDeniedException"}}; });
  EXPECT_EQ(keeper_->fetch("a", never_).error().code, ErrorCode::kDenied);
}

TEST_F(ManagerTest, ListsPageByPageWithoutThePrefix) {
  serve([](const Json& asked) -> Json {
    // The service's filter takes prefixes of words, too: `weir/production` comes along.
    if (!asked.contains("NextToken"))
      return {{"SecretList", {{{"Name", "weir/prod/a"}}, {{"Name", "weir/production/x"}}}},
              {"NextToken", "more"}};
    EXPECT_EQ(asked["NextToken"], "more");
    return {{"SecretList", {{{"Name", "weir/prod/b"}}}}};
  });
  EXPECT_THAT(**keeper_->list(never_), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace weir::secrets
