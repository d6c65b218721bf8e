#include "net/credentials.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"
#include "testing/http_server.h"

namespace weir::net {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::Asked;
using testing::Ending;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kMinuteUs = 60'000'000;

class SetClock final : public Clock {
 public:
  int64_t now_us() override { return now; }
  int64_t monotonic_us() override { return now; }
  std::atomic<int64_t> now = *parse_instant("2026-01-05T08:00:00Z");
};

class ZeroRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override { return {}; }
};

/// A home, an environment and one server that plays all of AWS's endpoints.
class CredentialsTest : public ::testing::Test {
 protected:
  CredentialsTest() {
    home_ = (std::filesystem::temp_directory_path() / "weir-home-XXXXXX").string();
    EXPECT_NE(mkdtemp(home_.data()), nullptr);
    variables_["HOME"] = home_;
    variables_["AWS_EC2_METADATA_DISABLED"] = "true";
    server_ = testing::start_http_server([this](const Asked& asked) { return answer_(asked); });
  }
  ~CredentialsTest() override { std::filesystem::remove_all(home_); }

  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(home_ + "/" + name).parent_path());
    std::ofstream(home_ + "/" + name) << text;
  }
  CredentialSource& source(CredentialOptions options = {}) {
    environment_ = make_fixed_environment(variables_);
    options.sts_endpoint = server_->url() + "/sts";
    options.instance_endpoint = server_->url();
    options.container_endpoint = server_->url();
    source_ = make_credential_source(std::move(options),
                                     {.http = http_.get(),
                                      .environment = environment_.get(),
                                      .clock = &clock_,
                                      .random = &random_,
                                      .wait = [this](int64_t, const Cancel&) -> Status {
                                        ++waits_;
                                        return {};
                                      }});
    return *source_;
  }
  Result<Credentials> get(CredentialOptions options = {}) {
    return source(std::move(options)).get(never_);
  }
  std::string failure(ErrorCode code, CredentialOptions options = {}) {
    const auto got = get(std::move(options));
    if (got) return "no failure: " + got->source;
    EXPECT_EQ(got.error().code, code) << to_line(got.error());
    return to_line(got.error());
  }

  static Answer sts(std::string_view action, int64_t expires_at_us) {
    return {.body = fmt::format(
                "<{0}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><{0}Result>"
                "<Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
                "<SecretAccessKey>role-secret</SecretAccessKey>"
                "<SessionToken>role-token</SessionToken><Expiration>{1}</Expiration>"
                "</Credentials></{0}Result></{0}Response>",
                action, format_instant(expires_at_us))};
  }
  static Answer document(std::string_view key, int64_t expires_at_us) {
    return {.body = fmt::format(R"({{"Code":"Success","AccessKeyId":"{}","SecretAccessKey":"s",)"
                                R"("Token":"t","Expiration":"{}"}})",
                                key, format_instant(expires_at_us))};
  }

  std::string home_;
  std::map<std::string, std::string> variables_;
  std::function<Answer(const Asked&)> answer_ = [](const Asked&) { return Answer{.status = 404}; };
  std::unique_ptr<testing::HttpServer> server_;
  std::unique_ptr<Http> http_ = *make_http({}, Reach::anywhere());
  std::unique_ptr<Environment> environment_;
  SetClock clock_;
  ZeroRandom random_;
  Cancel never_;
  std::atomic<int> waits_ = 0;
  std::unique_ptr<CredentialSource> source_;
};

TEST_F(CredentialsTest, GivenOnesComeBeforeAllOthers) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s";
  CredentialOptions options;
  options.given = Credentials{
      .access_key_id = "AKIAGIVEN", .secret_access_key = "g", .session_token = {}, .source = {}};
  EXPECT_EQ(get(options)->access_key_id, "AKIAGIVEN");
  EXPECT_EQ(get()->access_key_id, "AKIAENV");
}

TEST_F(CredentialsTest, EnvironmentComesBeforeProfiles) {
  write(".aws/credentials", "[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key=f\n");
  EXPECT_EQ(get()->access_key_id, "AKIAFILE");
  variables_["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s";
  variables_["AWS_SESSION_TOKEN"] = "t";
  const auto got = get();
  EXPECT_EQ(got->access_key_id, "AKIAENV");
  EXPECT_EQ(got->session_token, "t");
}

TEST_F(CredentialsTest, HalfAPairIsAFaultAndNotPassedOver) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig), HasSubstr("AWS_SECRET_ACCESS_KEY"));
  variables_.erase("AWS_ACCESS_KEY_ID");
  write(".aws/credentials", "[default]\naws_access_key_id=AKIAFILE\n");
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig), HasSubstr("'default'"));
}

TEST_F(CredentialsTest, ProfilesOfBothFilesAreOne) {
  write(".aws/config",
        "# mine\n[default]\nregion = eu-west-1\n[profile work]\nregion=eu-north-1\ns3 =\n"
        "  max_concurrent_requests = 20\naws_access_key_id = AKIACONFIG\n[sso-session x]\na=b\n");
  write(".aws/credentials", "[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = w=w\n");
  variables_["AWS_PROFILE"] = "work";
  const auto got = get();
  ASSERT_TRUE(got) << to_line(got.error());
  EXPECT_EQ(got->access_key_id, "AKIAWORK");
  EXPECT_EQ(got->secret_access_key, "w=w");
  EXPECT_EQ(*configured_region(*environment_, ""), "eu-north-1");
  EXPECT_EQ(*configured_region(*environment_, "default"), "eu-west-1");
  variables_["AWS_REGION"] = "us-east-2";
  static_cast<void>(source());
  EXPECT_EQ(*configured_region(*environment_, ""), "us-east-2");
}

TEST_F(CredentialsTest, MissingProfileAndBadFileAreNamedWithoutTheirText) {
  variables_["AWS_PROFILE"] = "wrok";
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig),
              AllOf(HasSubstr("'wrok'"), HasSubstr(home_ + "/.aws/credentials")));
  write(".aws/credentials", "[work]\naws_secret_access_key hunter2\n");
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig),
              AllOf(HasSubstr("credentials:2"), Not(HasSubstr("hunter2"))));
}

TEST_F(CredentialsTest, ProfileThatNeedsSsoSaysSo) {
  write(".aws/config", "[default]\nsso_session = corp\n");
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig),
              AllOf(HasSubstr("sso_session"), HasSubstr("export-credentials")));
}

TEST_F(CredentialsTest, RoleOfAProfileIsTakenOnWithItsSource) {
  write(".aws/config",
        "[profile lake]\nrole_arn = arn:aws:iam::1:role/lake\nsource_profile = base\n"
        "external_id = x1\nregion = eu-west-1\n");
  write(".aws/credentials", "[base]\naws_access_key_id=AKIABASE\naws_secret_access_key=b\n");
  variables_["AWS_PROFILE"] = "lake";
  answer_ = [this](const Asked&) { return sts("AssumeRole", clock_.now + 60 * kMinuteUs); };
  const auto got = get();
  ASSERT_TRUE(got) << to_line(got.error());
  EXPECT_EQ(got->access_key_id, "ASIAROLE");
  EXPECT_EQ(got->session_token, "role-token");
  EXPECT_EQ(got->expires_at_us, clock_.now + 60 * kMinuteUs);
  const auto asked = server_->asked().at(0);
  EXPECT_EQ(asked.method, "POST");
  EXPECT_THAT(asked.body, AllOf(HasSubstr("Action=AssumeRole&"), HasSubstr("ExternalId=x1"),
                                HasSubstr("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Flake")));
  EXPECT_THAT(asked.header("authorization"),
              AllOf(HasSubstr("Credential=AKIABASE/20260105/eu-west-1/sts/"),
                    HasSubstr("content-type;host")));
}

TEST_F(CredentialsTest, CircleOfProfilesIsRefused) {
  write(".aws/config",
        "[profile a]\nrole_arn=r\nsource_profile=b\n[profile b]\nrole_arn=r\nsource_profile=a\n");
  variables_["AWS_PROFILE"] = "a";
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig), HasSubstr("itself"));
}

TEST_F(CredentialsTest, RefusalOfStsIsToldWithoutKeys) {
  variables_["AWS_ACCESS_KEY_ID"] = "AKIAENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "hunter2";
  answer_ = [](const Asked&) {
    return Answer{.status = 403,
                  .body =
                      "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message>"
                      "</Error></ErrorResponse>"};
  };
  CredentialOptions options;
  options.role_arn = "arn:aws:iam::1:role/lake";
  EXPECT_THAT(failure(ErrorCode::kDenied, options),
              AllOf(HasSubstr("role/lake"), HasSubstr("AccessDenied: not you"),
                    HasSubstr("trust policy"), Not(HasSubstr("hunter2"))));
}

TEST_F(CredentialsTest, WebIdentityReadsItsTokenAnew) {
  write("token", "first-token\n");
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_ + "/token";
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig), HasSubstr("AWS_ROLE_ARN"));
  variables_["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/pod";
  answer_ = [this](const Asked&) {
    return sts("AssumeRoleWithWebIdentity", clock_.now + 10 * kMinuteUs);
  };
  ASSERT_TRUE(get());
  EXPECT_THAT(server_->asked().back().body, HasSubstr("WebIdentityToken=first-token"));
  EXPECT_EQ(server_->asked().back().header("authorization"), "");
  write("token", "second-token");
  clock_.now += 8 * kMinuteUs;
  ASSERT_TRUE(source_->get(never_));
  EXPECT_THAT(server_->asked().back().body, HasSubstr("WebIdentityToken=second-token"));
  variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_ + "/none";
  EXPECT_THAT(failure(ErrorCode::kNotFound), HasSubstr("/none"));
}

TEST_F(CredentialsTest, ContainerGivesKeysForItsToken) {
  write("token", "let-me-in");
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/1";
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = home_ + "/token";
  answer_ = [this](const Asked& asked) {
    if (asked.header("authorization") != "let-me-in") return Answer{.status = 401};
    return document("ASIATASK", clock_.now + 60 * kMinuteUs);
  };
  const auto got = get();
  ASSERT_TRUE(got) << to_line(got.error());
  EXPECT_EQ(got->access_key_id, "ASIATASK");
  EXPECT_EQ(server_->asked().at(0).target, "/v2/credentials/1");
  write("token", "wrong");
  EXPECT_THAT(failure(ErrorCode::kDenied), HasSubstr("HTTP 401"));
}

TEST_F(CredentialsTest, ContainerElsewhereNeedsTls) {
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://keys.example.org/";
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig), HasSubstr("keys.example.org"));
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_->url() + "/full";
  answer_ = [this](const Asked&) { return document("ASIAFULL", clock_.now + 60 * kMinuteUs); };
  EXPECT_EQ(get()->access_key_id, "ASIAFULL");
}

TEST_F(CredentialsTest, InstanceGivesKeysForASessionToken) {
  variables_.erase("AWS_EC2_METADATA_DISABLED");
  int tries = 0;
  answer_ = [&](const Asked& asked) {
    if (asked.method == "PUT" && asked.target == "/latest/api/token" &&
        asked.header("x-aws-ec2-metadata-token-ttl-seconds") == "21600")
      return Answer{.body = "session"};
    if (asked.header("x-aws-ec2-metadata-token") != "session") return Answer{.status = 401};
    if (asked.target.ends_with("/security-credentials/")) return Answer{.body = "my role"};
    if (++tries == 1) return Answer{.status = 503};
    return document("ASIAINSTANCE", clock_.now + 60 * kMinuteUs);
  };
  const auto got = get();
  ASSERT_TRUE(got) << to_line(got.error());
  EXPECT_EQ(got->access_key_id, "ASIAINSTANCE");
  EXPECT_EQ(server_->asked().back().target, "/latest/meta-data/iam/security-credentials/my%20role");
  EXPECT_EQ(waits_, 1);
}

TEST_F(CredentialsTest, WhereNobodyHasAnyEachSaysWhy) {
  EXPECT_THAT(failure(ErrorCode::kDenied),
              AllOf(HasSubstr("environment: AWS_ACCESS_KEY_ID is not set"),
                    HasSubstr("profile: there is no 'default'"), HasSubstr("web identity:"),
                    HasSubstr("container:"), HasSubstr("instance: AWS_EC2_METADATA_DISABLED"),
                    HasSubstr("hint: set AWS_ACCESS_KEY_ID")));
}

TEST_F(CredentialsTest, DocumentThatIsNoneIsNotShown) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/";
  answer_ = [](const Asked&) { return Answer{.body = R"({"SecretAccessKey":"hunter2",)"}; };
  EXPECT_THAT(failure(ErrorCode::kInvalidData), Not(HasSubstr("hunter2")));
  answer_ = [](const Asked&) { return Answer{.body = R"({"SecretAccessKey":"hunter2"})"}; };
  EXPECT_THAT(failure(ErrorCode::kInvalidData),
              AllOf(HasSubstr("AccessKeyId"), Not(HasSubstr("hunter2"))));
  answer_ = [](const Asked&) {
    return Answer{.body = R"({"Code":"AssumeRoleUnauthorizedAccess"})"};
  };
  EXPECT_THAT(failure(ErrorCode::kDenied), HasSubstr("AssumeRoleUnauthorizedAccess"));
}

TEST_F(CredentialsTest, KeptUntilFiveMinutesBeforeTheyExpire) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/";
  int fetched = 0;
  answer_ = [&](const Asked&) {
    return document(fmt::format("ASIA{}", ++fetched), clock_.now + 60 * kMinuteUs);
  };
  EXPECT_EQ(get()->access_key_id, "ASIA1");
  clock_.now += 54 * kMinuteUs;
  EXPECT_EQ(source_->get(never_)->access_key_id, "ASIA1");
  clock_.now += 2 * kMinuteUs;
  const auto second = source_->get(never_);
  EXPECT_EQ(second->access_key_id, "ASIA2");
  source_->forget(
      {.access_key_id = "ASIA1", .secret_access_key = {}, .session_token = "t", .source = {}});
  EXPECT_EQ(source_->get(never_)->access_key_id, "ASIA2") << "others were forgotten";
  source_->forget(*second);
  EXPECT_EQ(source_->get(never_)->access_key_id, "ASIA3");
}

TEST_F(CredentialsTest, OldOnesServeWhileNobodyGivesNewOnes) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/";
  bool is_down = false;
  answer_ = [&](const Asked&) {
    if (is_down) return Answer{.status = 503};
    return document("ASIA", clock_.now + 60 * kMinuteUs);
  };
  ASSERT_TRUE(get());
  is_down = true;
  clock_.now += 56 * kMinuteUs;
  EXPECT_TRUE(source_->get(never_));
  const auto asked = server_->asked().size();
  EXPECT_TRUE(source_->get(never_));
  EXPECT_EQ(server_->asked().size(), asked) << "asked again at once";
  clock_.now += 4 * kMinuteUs;
  const auto expired = source_->get(never_);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, ErrorCode::kUnavailable) << to_line(expired.error());
}

TEST_F(CredentialsTest, ManyThreadsFetchOnce) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/";
  answer_ = [&](const Asked&) { return document("ASIA", clock_.now + 60 * kMinuteUs); };
  auto& shared = source();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] { EXPECT_EQ(shared.get(never_)->access_key_id, "ASIA"); });
  }
  EXPECT_EQ(server_->asked().size(), 1U);
}

TEST_F(CredentialsTest, LostAnswersAreAskedForAgainAFewTimes) {
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/";
  answer_ = [](const Asked&) { return Answer{.ending = Ending::kReset}; };
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("asking the container"));
  EXPECT_EQ(waits_, 2);
}

TEST(Backoff, DrawsFromZeroToADoubledMost) {
  class Fixed final : public Random {
   public:
    std::array<uint8_t, 16> bytes16() override {
      std::array<uint8_t, 16> bytes;
      bytes.fill(0xff);
      return bytes;
    }
  } ones;
  ZeroRandom zeros;
  const Backoff backoff{.first_ms = 100, .most_ms = 1000};
  const auto system = make_system_random();
  for (int failed = 1; failed < 70; ++failed) {
    EXPECT_EQ(backoff.wait_ms(failed, zeros), 0);
    const auto most = failed < 5 ? 100LL << (failed - 1) : 1000;
    for (int i = 0; i < 50; ++i) {
      const auto wait = backoff.wait_ms(failed, *system);
      EXPECT_GE(wait, 0);
      EXPECT_LE(wait, most);
    }
    EXPECT_LE(backoff.wait_ms(failed, ones), most);
  }
}

}  // namespace
}  // namespace weir::net
