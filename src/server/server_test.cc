#include "server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/digest.h"
#include "catalog/accounts.h"
#include "catalog/catalog.h"
#include "server/password.h"

// The whole of it with actions that a test hands in: what they are given, and what becomes of what
// they say.

namespace weir::server {
namespace {

using ::testing::HasSubstr;

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weir server XXXXXX";
    folder_ = mkdtemp(folder);
    auto catalog = catalog::open_catalog(
        {.url = "sqlite:" + folder_ + "/weir.db", .base_folder = ""}, *clock_, *random_);
    ASSERT_TRUE(catalog.has_value());
    catalog_ = *std::move(catalog);
    catalog::UserAccount ann;
    ann.user_name = "ann";
    ann.grants = {{"*", "admin"}};
    ASSERT_TRUE(catalog_->accounts().add_user(ann, "").has_value());
    token_ = std::string(kTokenMark) + *random_word();
    catalog::ApiToken token;
    token.api_token_id = "1";
    token.user_name = "ann";
    token.name = "test";
    token.token_hash = sha256_hex(token_);
    token.limit = {"*", "admin"};
    ASSERT_TRUE(catalog_->accounts().add_token(token, "").has_value());
    const std::vector<catalog::RowChange> rows = {
        {catalog::RowChange::Kind::kInsert, {"flow", {"sales"}, {}, ""}}};
    ASSERT_TRUE(catalog_->apply_changes(rows, "").has_value());
    run_.run_id = "run-1";
    run_.flow_id = "sales";
    run_.run_key = "key";
    run_.created_at_us = 1;
    ASSERT_TRUE(catalog_->start_run(run_, {}).has_value());
  }
  void TearDown() override {
    server_.reset();
    catalog_.reset();
    std::filesystem::remove_all(folder_);
  }

  ServerGround ground() const {
    return {.catalog = catalog_.get(),
            .clock = clock_.get(),
            .random = random_.get(),
            .log = log_.get(),
            .templates = {},
            .version = "1",
            .engine_version = "2"};
  }

  void start(Actions actions, const ServerOptions& options = {}) {
    auto server = start_server(options, ground(), std::move(actions));
    ASSERT_TRUE(server.has_value()) << to_line(server.error());
    server_ = *std::move(server);
  }

  /// The whole answer as it came.
  std::string ask(const std::string& method, const std::string& path,
                  const std::string& body = "") {
    const int line = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<uint16_t>(server_->port()));
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(line, reinterpret_cast<sockaddr*>(&place), sizeof place) != 0) return "no line";
    const std::string request = fmt::format(
        "{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n{}\r\n{}",
        method, path, token_,
        body.empty()
            ? std::string()
            : fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size()),
        body);
    std::string answer;
    // A server that stops may have hung up by now: then there is no answer.
    static_cast<void>(::send(line, request.data(), request.size(), MSG_NOSIGNAL));
    char piece[4096];
    for (ssize_t got = 0; (got = ::recv(line, piece, sizeof piece, 0)) > 0;)
      answer.append(piece, static_cast<size_t>(got));
    ::close(line);
    return answer;
  }

  std::string folder_;
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Random> random_ = make_system_random();
  std::unique_ptr<Log> log_ = make_no_log();
  std::unique_ptr<catalog::Catalog> catalog_;
  std::string token_;
  catalog::FlowRun run_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, HandsAStartOnAsItWasAskedFor) {
  RunRequest asked;
  Actions actions;
  actions.start_run = [&](const RunRequest& request) -> Result<catalog::FlowRun> {
    asked = request;
    return run_;
  };
  start(std::move(actions));
  const std::string answer =
      ask("POST", "/v1/flows/sales/runs",
          R"({"run_key": "k", "params": {"day": 7}, "logical_time": "2026-01-02T03:04:05Z"})");
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 202 "));
  EXPECT_THAT(answer, HasSubstr("Location: /v1/runs/run-1\r\n"));
  EXPECT_THAT(answer, HasSubstr("\"run_id\":\"run-1\""));
  EXPECT_EQ(asked.flow_id, "sales");
  EXPECT_EQ(asked.run_key, "k");
  EXPECT_EQ(asked.params, Json({{"day", 7}}));
  EXPECT_EQ(asked.logical_time_us, 1'767'323'045'000'000);
  EXPECT_EQ(asked.author, "ann, token test");
  EXPECT_THAT(ask("POST", "/v1/flows/sales/runs"), HasSubstr("HTTP/1.1 202 ")) << "all is optional";
  EXPECT_EQ(asked.run_key, "");
  EXPECT_EQ(asked.params, Json::object());
  EXPECT_EQ(asked.logical_time_us, 0);
  EXPECT_THAT(ask("POST", "/v1/flows/sales/runs", R"({"logical_time": "soon"})"),
              HasSubstr("HTTP/1.1 400 "));
}

TEST_F(ServerTest, HandsTheOtherWishesOn) {
  std::vector<std::string> told;
  Actions actions;
  actions.retry_run = [&](const RetryRequest& request) -> Result<catalog::FlowRun> {
    told.push_back(fmt::format("retry {} {} {} {}", request.run_id, request.from_task,
                               request.config, request.author));
    return run_;
  };
  actions.cancel_run = [&](const std::string& id,
                           const std::string& author) -> Result<catalog::FlowRun> {
    told.push_back("cancel " + id + " " + author);
    return run_;
  };
  actions.pause = [&](const PauseRequest& request) -> Status {
    told.push_back(fmt::format("{} {} '{}' {}", request.is_paused ? "pause" : "resume",
                               request.flow_id, request.reason, request.author));
    return {};
  };
  start(std::move(actions));
  EXPECT_THAT(ask("POST", "/v1/runs/run-1/retry"), HasSubstr("HTTP/1.1 202 "));
  EXPECT_THAT(ask("POST", "/v1/runs/run-1/retry", R"({"from_task": "t", "config": "latest"})"),
              HasSubstr("HTTP/1.1 202 "));
  EXPECT_THAT(ask("POST", "/v1/runs/run-1/cancel"), HasSubstr("HTTP/1.1 202 "));
  EXPECT_THAT(ask("POST", "/v1/flows/sales/pause", R"({"reason": "audit"})"),
              HasSubstr("HTTP/1.1 204 "));
  EXPECT_THAT(ask("POST", "/v1/flows/sales/resume"), HasSubstr("HTTP/1.1 204 "));
  EXPECT_THAT(told, ::testing::ElementsAre(
                        "retry run-1  same ann, token test", "retry run-1 t latest ann, token test",
                        "cancel run-1 ann, token test", "pause sales 'audit' ann, token test",
                        "resume sales '' ann, token test"));
}

TEST_F(ServerTest, TellsWhyAnActionFailedButNothingOfTheInside) {
  ErrorCode code = ErrorCode::kConflict;
  Actions actions;
  actions.start_run = [&](const RunRequest&) -> Result<catalog::FlowRun> {
    return fail_with_hint(code, "flow 'sales' is at /secret/place", "wait");
  };
  start(std::move(actions));
  for (const ErrorCode each : all_error_codes()) {
    code = each;
    const std::string answer = ask("POST", "/v1/flows/sales/runs");
    SCOPED_TRACE(answer);
    EXPECT_THAT(answer, HasSubstr(fmt::format("\"code\":\"{}\"", to_text(each))));
    EXPECT_THAT(answer, HasSubstr("application/problem+json"));
    const bool is_inside = answer.find("HTTP/1.1 50") == 0 && each != ErrorCode::kUnsupported;
    EXPECT_EQ(answer.find("/secret/place") == std::string::npos, is_inside);
  }
}

TEST_F(ServerTest, AnActionThatThrowsEndsNothing) {
  Actions actions;
  actions.start_run = [](const RunRequest&) -> Result<catalog::FlowRun> {
    throw std::runtime_error("of some library");
  };
  start(std::move(actions));
  const std::string answer = ask("POST", "/v1/flows/sales/runs");
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 500 "));
  EXPECT_THAT(answer, ::testing::Not(HasSubstr("library")));
  EXPECT_THAT(ask("GET", "/v1/flows"), HasSubstr("HTTP/1.1 200 "));
}

TEST_F(ServerTest, IsReadyWhenTheSchedulerIs) {
  std::atomic<bool> is_ready = true;
  Actions actions;
  actions.state = [&]() -> SchedulerState {
    return {.is_ready = is_ready,
            .reason = "the scheduler starts",
            .scheduler_lag_us = 2'000'000,
            .queue_length = {{"runs", 3}}};
  };
  start(std::move(actions));
  EXPECT_THAT(ask("GET", "/readyz"), HasSubstr("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET", "/metrics"), HasSubstr("weir_scheduler_lag_seconds 2\n"));
  is_ready = false;
  EXPECT_THAT(ask("GET", "/readyz"), HasSubstr("HTTP/1.1 503 "));
  EXPECT_THAT(ask("GET", "/readyz"), HasSubstr("the scheduler starts"));
  EXPECT_THAT(ask("GET", "/healthz"), HasSubstr("HTTP/1.1 200 "));
}

TEST_F(ServerTest, WorkersThatHangLeaveHealthAndTurnOthersAway) {
  std::mutex mutex;
  std::condition_variable changed;
  int waiting = 0;
  bool goes_on = false;
  Actions actions;
  actions.start_run = [&](const RunRequest&) -> Result<catalog::FlowRun> {
    std::unique_lock lock(mutex);
    ++waiting;
    changed.notify_all();
    changed.wait(lock, [&] { return goes_on; });
    return run_;
  };
  ServerOptions options;
  options.worker_count = 2;
  start(std::move(actions), options);
  std::vector<std::jthread> clients;
  for (int i = 0; i < 2; ++i)
    clients.emplace_back(
        [&] { EXPECT_THAT(ask("POST", "/v1/flows/sales/runs"), HasSubstr(" 202 ")); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return waiting == 2; });
  }
  EXPECT_THAT(ask("GET", "/healthz"), HasSubstr("HTTP/1.1 200 "));
  EXPECT_THAT(ask("GET", "/readyz"), HasSubstr("HTTP/1.1 200 "));
  std::atomic<int> turned_away = 0;
  for (int i = 0; i < 300; ++i)
    clients.emplace_back([&] {
      if (ask("GET", "/v1/session").find("HTTP/1.1 503 ") == 0) ++turned_away;
    });
  // At most 256 wait: the others are told so while the workers still hang.
  while (turned_away < 40) std::this_thread::yield();
  {
    const std::lock_guard lock(mutex);
    goes_on = true;
    changed.notify_all();
  }
  clients.clear();
  EXPECT_LT(turned_away, 60);
}

TEST_F(ServerTest, StopsWhileItIsAsked) {
  for (int round = 0; round < 5; ++round) {
    start({});
    std::atomic<bool> is_over = false;
    std::vector<std::jthread> clients;
    std::atomic<int> good = 0;
    for (int i = 0; i < 4; ++i)
      clients.emplace_back([&] {
        while (!is_over)
          if (ask("GET", "/v1/flows").find("HTTP/1.1 200 ") == 0) ++good;
      });
    while (good < 20) std::this_thread::yield();
    server_->stop(5000);
    is_over = true;
    clients.clear();
    server_.reset();
  }
}

TEST_F(ServerTest, RefusesOptionsThatDoNotGoTogether) {
  const auto code = [&](const ServerOptions& options) {
    const auto server = start_server(options, ground(), {});
    return server ? std::string("started") : std::string(to_text(server.error().code));
  };
  EXPECT_EQ(code({.address = "0.0.0.0"}), "invalid_config");
  EXPECT_EQ(code({.address = "::"}), "invalid_config");
  EXPECT_EQ(code({.address = "weir.example"}), "invalid_config");
  EXPECT_EQ(code({.port = 70'000}), "invalid_config");
  EXPECT_EQ(code({.tls_certificate = "x"}), "invalid_config");
  EXPECT_EQ(code({.tls_certificate = "/nowhere", .tls_key = "/nowhere"}), "not_found");
  EXPECT_EQ(code({.tls_certificate = "/etc/passwd", .tls_key = "/etc/passwd"}), "invalid_config");
  EXPECT_EQ(code({.address = "127.0.0.2"}), "started");
}

}  // namespace
}  // namespace weir::server
