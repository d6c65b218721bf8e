#include "net/http.h"

#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/free_port.h"
#include "testing/http_server.h"

namespace weir::net {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::Asked;
using testing::Ending;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::start_http_server;

std::unique_ptr<Http> http(HttpOptions options = {}) {
  auto made = make_http(std::move(options), Reach::anywhere());
  EXPECT_TRUE(made) << to_line(made.error());
  return std::move(*made);
}

Request request_of(std::string method, std::string url) {
  Request request;
  request.method = std::move(method);
  request.url = std::move(url);
  return request;
}

Result<Response> send(Http& client, const Request& request) {
  const Cancel never;
  return client.send(request, never);
}

TEST(Http, RequestArrivesAsGivenAndAnswerComesBack) {
  const auto server = start_http_server([](const Asked&) {
    return Answer{.status = 201, .headers = {{"ETag", "\"x\""}, {"X-Empty", ""}}, .body = "made"};
  });
  const auto client = http();
  auto request = request_of("PUT", server->url() + "/a%20b/..%2F?x=%2B&y");
  request.headers = {{"X-Amz-Meta-A", "one two"}, {"X-Nothing", ""}};
  request.body = "hello";
  const auto response = send(*client, request);
  ASSERT_TRUE(response) << to_line(response.error());
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "made");
  EXPECT_EQ(*find_header(response->headers, "etag"), "\"x\"");
  EXPECT_EQ(*find_header(response->headers, "x-empty"), "");
  const auto asked = server->asked().at(0);
  EXPECT_EQ(asked.method, "PUT");
  EXPECT_EQ(asked.target, "/a%20b/..%2F?x=%2B&y");
  EXPECT_EQ(asked.body, "hello");
  EXPECT_EQ(asked.header("x-amz-meta-a"), "one two");
  EXPECT_NE(find_header(asked.headers, "x-nothing"), nullptr);
  EXPECT_EQ(find_header(asked.headers, "expect"), nullptr);
}

TEST(Http, DotSegmentsAreSentAsTheyStand) {
  const auto server = start_http_server([](const Asked&) { return Answer{}; });
  ASSERT_TRUE(send(*http(), request_of("GET", server->url() + "/a/../b/./c")));
  EXPECT_EQ(server->asked().at(0).target, "/a/../b/./c");
}

TEST(Http, BodyOfAReaderIsSentWhole) {
  const auto server = start_http_server([](const Asked&) { return Answer{}; });
  const std::string whole(1'000'000, 'x');
  std::string_view rest = whole;
  auto request = request_of("PUT", server->url() + "/k");
  request.body_bytes = static_cast<int64_t>(whole.size());
  request.body_reader = [&rest](size_t most) -> Result<std::string_view> {
    const auto piece = rest.substr(0, std::min<size_t>(most, 7777));
    rest.remove_prefix(piece.size());
    return piece;
  };
  ASSERT_TRUE(send(*http(), request));
  EXPECT_EQ(server->asked().at(0).body, whole);
}

TEST(Http, FailureOfAReaderOrASinkIsWhatIsGiven) {
  const auto server = start_http_server([](const Asked&) { return Answer{.body = "bytes"}; });
  auto upload = request_of("PUT", server->url() + "/k");
  upload.body_bytes = 10;
  upload.body_reader = [](size_t) -> Result<std::string_view> {
    return fail(ErrorCode::kCorrupt, "the reader broke");
  };
  EXPECT_EQ(send(*http(), upload).error().message, "the reader broke");
  auto download = request_of("GET", server->url() + "/k");
  download.sink = [](std::string_view) -> Status { return fail(ErrorCode::kDenied, "full"); };
  EXPECT_EQ(send(*http(), download).error().message, "full");
}

TEST(Http, SinkTakesWhatIsWantedAndRefusalsAreKept) {
  int status = 200;
  const auto server =
      start_http_server([&](const Asked&) { return Answer{.status = status, .body = "bytes"}; });
  std::string taken;
  auto request = request_of("GET", server->url() + "/k");
  request.sink = [&](std::string_view bytes) -> Status {
    taken += bytes;
    return {};
  };
  const auto client = http();
  EXPECT_EQ(send(*client, request)->body, "");
  EXPECT_EQ(taken, "bytes");
  status = 403;
  EXPECT_EQ(send(*client, request)->body, "bytes");
  EXPECT_EQ(taken, "bytes");
}

TEST(Http, RedirectsAreAnswersLikeOthers) {
  const auto server = start_http_server([](const Asked&) {
    return Answer{.status = 307, .headers = {{"Location", "http://127.0.0.1:1/"}}};
  });
  EXPECT_EQ(send(*http(), request_of("GET", server->url()))->status, 307);
  EXPECT_EQ(server->asked().size(), 1U);
}

TEST(Http, ConnectionsAreUsedAgain) {
  const auto server = start_http_server([](const Asked&) { return Answer{.body = "x"}; });
  const auto client = http();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(send(*client, request_of("GET", server->url() + "/k")));
  for (const auto& asked : server->asked()) EXPECT_EQ(asked.connection, 1);
}

TEST(Http, BreakOfAKeptConnectionIsNotHidden) {
  bool is_broken = false;
  const auto server = start_http_server([&](const Asked&) {
    return is_broken ? Answer{.ending = Ending::kReset} : Answer{.body = "x"};
  });
  for (const char* method : {"PUT", "DELETE", "POST"}) {
    is_broken = false;
    const auto client = http();
    ASSERT_TRUE(send(*client, request_of("GET", server->url())));
    is_broken = true;
    const auto before = server->asked().size();
    auto request = request_of(method, server->url());
    request.body = "body";
    const auto response = send(*client, request);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, ErrorCode::kOutcomeUnknown) << to_line(response.error());
    EXPECT_EQ(server->asked().size(), before + 1) << method << " was sent again";
  }
}

TEST(Http, ManyThreadsShareOneClient) {
  const auto server =
      start_http_server([](const Asked& asked) { return Answer{.body = asked.target}; });
  const auto client = http({.ca_file = {}, .proxy = {}, .kept_connections = 2});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const auto target = fmt::format("/{}/{}", i, j);
        const auto response = send(*client, request_of("GET", server->url() + target));
        ASSERT_TRUE(response) << to_line(response.error());
        EXPECT_EQ(response->body, target);
      }
    });
  threads.clear();
  EXPECT_EQ(server->asked().size(), 160U);
}

TEST(Http, LostAnswersSayWhetherTheRequestMayHaveActed) {
  for (const Ending ending : {Ending::kReset, Ending::kTruncated, Ending::kHalfHead}) {
    const auto server = start_http_server(
        [&](const Asked&) { return Answer{.body = "0123456789", .ending = ending}; });
    const auto client = http();
    for (const auto& [method, code] :
         {std::pair{"GET", ErrorCode::kUnavailable}, std::pair{"PUT", ErrorCode::kOutcomeUnknown},
          std::pair{"DELETE", ErrorCode::kOutcomeUnknown},
          std::pair{"POST", ErrorCode::kOutcomeUnknown}}) {
      const auto response = send(*client, request_of(method, server->url() + "/k?secret=1"));
      ASSERT_FALSE(response) << method;
      EXPECT_EQ(response.error().code, code) << method << to_line(response.error());
      EXPECT_THAT(response.error().message,
                  AllOf(HasSubstr(server->url() + "/k"), Not(HasSubstr("secret"))));
    }
  }
}

TEST(Http, NobodyThereIsUnavailableWhateverTheMethod) {
  const auto url = fmt::format("http://127.0.0.1:{}/k", testing::free_port());
  for (const char* method : {"GET", "PUT", "POST"}) {
    const auto response = send(*http(), request_of(method, url));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, ErrorCode::kUnavailable) << method;
    EXPECT_THAT(to_line(response.error()), AllOf(HasSubstr("127.0.0.1"), HasSubstr("hint:")));
  }
}

TEST(Http, SilenceEndsAtTheTimeout) {
  const auto server =
      start_http_server([](const Asked&) { return Answer{.ending = Ending::kSilent}; });
  auto request = request_of("GET", server->url());
  request.timeout_ms = 100;
  EXPECT_EQ(send(*http(), request).error().code, ErrorCode::kUnavailable);
  request.method = "PUT";
  EXPECT_EQ(send(*http(), request).error().code, ErrorCode::kOutcomeUnknown);
}

TEST(Http, CancelEndsARequest) {
  Cancel cancel;
  const auto server = start_http_server([&](const Asked&) {
    cancel.cancel("enough");  // once the request is there
    return Answer{.ending = Ending::kSilent};
  });
  const auto client = http();
  const auto response = client->send(request_of("GET", server->url()), cancel);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(response.error().message, "enough");
  EXPECT_EQ(client->send(request_of("GET", server->url()), cancel).error().code,
            ErrorCode::kCancelled);
  EXPECT_EQ(server->asked().size(), 1U);
}

TEST(Http, AnswersHaveALimit) {
  const auto server =
      start_http_server([](const Asked&) { return Answer{.body = std::string(1001, 'x')}; });
  auto request = request_of("GET", server->url());
  request.answer_limit_bytes = 1000;
  EXPECT_EQ(send(*http(), request).error().code, ErrorCode::kResourceExhausted);
  request.answer_limit_bytes = 1001;
  EXPECT_TRUE(send(*http(), request));
  const auto endless = start_http_server([](const Asked&) {
    return Answer{.headers = Headers(5000, {"X-Long", std::string(100, 'x')})};
  });
  EXPECT_EQ(send(*http(), request_of("GET", endless->url())).error().code, ErrorCode::kInvalidData);
}

TEST(Http, HeadersOfSeveralLinesAreRefused) {
  auto request = request_of("GET", "http://127.0.0.1:1/");
  request.headers = {{"X-A", "b\r\nX-C: d"}};
  EXPECT_EQ(send(*http(), request).error().code, ErrorCode::kInvalidConfig);
}

TEST(Http, TlsHoldsOnlyWithTheAuthorityThatSigned) {
  const testing::Certificate certificate;
  const auto server =
      start_http_server([](const Asked&) { return Answer{.body = "safe"}; }, &certificate);
  const auto trusted = http({.ca_file = certificate.certificate_file, .proxy = {}});
  const auto response = send(*trusted, request_of("GET", server->url()));
  ASSERT_TRUE(response) << to_line(response.error());
  EXPECT_EQ(response->body, "safe");
  // Nobody whom the system trusts signed it.
  const auto refused = send(*http(), request_of("PUT", server->url()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied) << to_line(refused.error());
  EXPECT_THAT(refused.error().hint, HasSubstr("CA file"));
  // It is for another host.
  const auto other =
      send(*trusted, request_of("GET", fmt::format("https://localhost:{}/", server->port())));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kDenied) << to_line(other.error());
  EXPECT_EQ(server->asked().size(), 1U);
}

TEST(Http, ServerWithoutTlsIsUnavailable) {
  const auto server = start_http_server([](const Asked&) { return Answer{}; });
  auto request = request_of("PUT", fmt::format("https://127.0.0.1:{}/", server->port()));
  request.connect_timeout_ms = 200;
  const auto response = send(*http(), request);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable) << to_line(response.error());
}

TEST(Http, MissingAuthoritiesAreNamed) {
  const auto made = make_http({.ca_file = "/nowhere/ca.pem", .proxy = {}}, Reach::anywhere());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kInvalidConfig);
  EXPECT_THAT(made.error().message, HasSubstr("/nowhere/ca.pem"));
}

TEST(Http, ProxyOfTheEnvironmentIsNotTaken) {
  const auto server = start_http_server([](const Asked&) { return Answer{.body = "direct"}; });
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  const auto direct = send(*http(), request_of("GET", server->url() + "/k"));
  unsetenv("http_proxy");
  ASSERT_TRUE(direct) << to_line(direct.error());
  const auto proxied = send(*http({.ca_file = {}, .proxy = server->url()}),
                            request_of("GET", "http://bucket.invalid/k"));
  ASSERT_TRUE(proxied) << to_line(proxied.error());
  EXPECT_EQ(server->asked().back().target, "http://bucket.invalid/k");
}

TEST(HttpDate, IsReadOrRefused) {
  EXPECT_EQ(*parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777LL * 1'000'000);
  for (const char* text : {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"})
    EXPECT_EQ(parse_http_date(text).error().code, ErrorCode::kInvalidData) << text;
}

TEST(RetryAfter, IsSecondsOrADate) {
  const auto at = [](const char* text) {
    return retry_after_ms({.status = 429, .headers = {{"Retry-After", text}}, .body = {}},
                          784'111'777'500'000);
  };
  EXPECT_EQ(at("Sun, 06 Nov 1994 08:49:39 GMT"), 1500);
  EXPECT_EQ(at("Sun, 06 Nov 1994 08:49:37 GMT"), 0);
  EXPECT_EQ(at("Sun, 06 Nov 2094 08:49:37 GMT"), 86'400'000);
  EXPECT_EQ(retry_after_ms({.status = 503, .headers = {{"Retry-After", "3"}}, .body = {}}, 0),
            3000);
  EXPECT_EQ(retry_after_ms({.status = 503, .headers = {{"Retry-After", "soon"}}, .body = {}}, 0),
            0);
  EXPECT_EQ(retry_after_ms({.status = 503, .headers = {}, .body = {}}, 0), 0);
}

}  // namespace
}  // namespace weir::net
