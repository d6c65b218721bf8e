#include "net/aws_json.h"

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/http_server.h"

namespace weir::net {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::Asked;
using testing::Ending;
using ::testing::HasSubstr;
using ::testing::Not;

class StandingClock final : public Clock {
 public:
  int64_t now_us() override { return 1'767'600'000'000'000; }
  int64_t monotonic_us() override { return 0; }
};

class ZeroRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override { return {}; }
};

/// Keys by their number: each forget() brings the next.
class NumberedKeys final : public CredentialSource {
 public:
  Result<Credentials> get(const Cancel& /*cancel*/) override {
    Credentials keys;
    keys.access_key_id = fmt::format("KEY{}", number);
    keys.secret_access_key = "hidden-half";
    return keys;
  }
  void forget(const Credentials& /*credentials*/) override { ++number; }
  int number = 1;
};

/// A service that plays a script.
class AwsJsonTest : public ::testing::Test {
 protected:
  Result<Json> call(std::vector<Answer> answers, const Json& body = {{"Id", "a"}}) {
    size_t next = 0;
    server_ = testing::start_http_server([&](const Asked& asked) {
      last_ = asked;
      return answers.at(std::min(next++, answers.size() - 1));
    });
    AwsJson client({.service = "sampleservice",
                    .target = "Sample_2026",
                    .region = "eu-west-1",
                    .endpoint = server_->url(),
                    .max_tries = 3},
                   {.http = http_.get(),
                    .credentials = &keys_,
                    .clock = &clock_,
                    .random = &random_,
                    .wait = [this](int64_t wait_ms, const Cancel&) -> Status {
                      waited_ms_.push_back(wait_ms);
                      return {};
                    }});
    auto result = client.call("DescribeThing", body, never_);
    asked_ = server_->asked().size();
    server_.reset();
    return result;
  }

  std::unique_ptr<testing::HttpServer> server_;
  std::unique_ptr<Http> http_ = *make_http({}, Reach::anywhere());
  StandingClock clock_;
  ZeroRandom random_;
  NumberedKeys keys_;
  Cancel never_;
  Asked last_;
  size_t asked_ = 0;
  std::vector<int64_t> waited_ms_;
};

Answer refusal(int status, const std::string& type) {
  return {.status = status,
          .body = dump_json({{"__type", type}, {"message", "because the service says so"}})};
}

TEST_F(AwsJsonTest, SignsAndNamesTheOperation) {
  const auto answer = call({{.body = R"({"Thing": 1})"}});
  ASSERT_TRUE(answer) << to_line(answer.error());
  EXPECT_EQ(*answer, (Json{{"Thing", 1}}));
  EXPECT_EQ(last_.method, "POST");
  EXPECT_EQ(last_.body, R"({"Id":"a"})");
  EXPECT_EQ(last_.header("X-Amz-Target"), "Sample_2026.DescribeThing");
  EXPECT_EQ(last_.header("Content-Type"), "application/x-amz-json-1.1");
  EXPECT_THAT(last_.header("Authorization"),
              HasSubstr("Credential=KEY1/20260105/eu-west-1/sampleservice/aws4_request"));
}

TEST_F(AwsJsonTest, TriesAgainWhatMayPass) {
  for (const Answer& fault :
       {refusal(500, "InternalServiceError"), refusal(400, "ThrottlingException"),
        Answer{.status = 503}, Answer{.ending = Ending::kReset},
        Answer{.body = "{\"Thing\": 1}", .ending = Ending::kTruncated}}) {
    const auto answer = call({fault, fault, {.body = R"({"Thing": 2})"}});
    ASSERT_TRUE(answer) << to_line(answer.error());
    EXPECT_EQ((*answer)["Thing"], 2);
    EXPECT_EQ(asked_, 3);
  }
}

TEST_F(AwsJsonTest, GivesUpAfterItsTries) {
  const auto answer = call({refusal(400, "TooManyRequestsException")});
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(asked_, 3);
  EXPECT_EQ(waited_ms_.size(), 2);
  EXPECT_EQ(call({{.ending = Ending::kReset}}).error().code, ErrorCode::kUnavailable);
}

TEST_F(AwsJsonTest, WaitsAsLongAsTheServiceAsks) {
  Answer busy = refusal(429, "TooManyRequestsException");
  busy.headers = {{"Retry-After", "7"}};
  ASSERT_TRUE(call({busy, {.body = "{}"}}));
  EXPECT_EQ(waited_ms_, std::vector<int64_t>{7000});
}

TEST_F(AwsJsonTest, KeysThatAreNotTakenAreFetchedAnewOnce) {
  const Answer expired = refusal(400, "com.amazon.coral.service#ExpiredTokenException");
  ASSERT_TRUE(call({expired, {.body = "{}"}}));
  EXPECT_THAT(last_.header("Authorization"), HasSubstr("Credential=KEY2/"));
  EXPECT_TRUE(waited_ms_.empty());
  const auto again = call({expired});
  EXPECT_EQ(again.error().code, ErrorCode::kDenied);
  EXPECT_EQ(asked_, 2);
}

TEST_F(AwsJsonTest, RefusalsSayWhy) {
  struct Case {
    Answer answer;
    ErrorCode code;
    const char* says;
  };
  Answer by_header{.status = 400};
  by_header.headers = {{"x-amzn-ErrorType", "ValidationException:http://internal.amazon.com/"}};
  const Case cases[] = {
      {refusal(400, "ResourceNotFoundException"), ErrorCode::kNotFound,
       "ResourceNotFoundException"},
      {refusal(400, "ns#EntityNotFoundException"), ErrorCode::kNotFound, ": EntityNotFound"},
      {refusal(400, "AccessDeniedException"), ErrorCode::kDenied, "because the service says so"},
      {{.status = 403, .body = "<html>"}, ErrorCode::kDenied, "HTTP 403"},
      {refusal(400, "InvalidRequestException"), ErrorCode::kInvalidConfig, "DescribeThing"},
      {by_header, ErrorCode::kInvalidConfig, ": ValidationException"},
  };
  for (const auto& each : cases) {
    const auto answer = call({each.answer}, {{"Password", "of-the-body"}});
    ASSERT_FALSE(answer) << each.says;
    EXPECT_EQ(answer.error().code, each.code) << each.says;
    EXPECT_EQ(asked_, 1) << each.says;
    EXPECT_THAT(to_line(answer.error()),
                AllOf(HasSubstr("sampleservice"), HasSubstr(each.says),
                      Not(HasSubstr("of-the-body")), Not(HasSubstr("hidden-half"))));
  }
}

TEST_F(AwsJsonTest, AnAnswerThatIsNoJsonIsInvalidData) {
  EXPECT_EQ(call({{.body = "<html>"}}).error().code, ErrorCode::kInvalidData);
}

}  // namespace
}  // namespace weir::net
