#pragma once

/// A store over a server that answers from a list, with a clock that only waiting moves. For tests.

#include <atomic>
#include <deque>
#include <functional>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/instant.h"
#include "storage/s3.h"
#include "testing/http_server.h"

namespace weir::storage {

/// Moved by nobody but Wait.
class SetClock final : public Clock {
 public:
  int64_t now_us() override { return now; }
  int64_t monotonic_us() override { return now; }
  std::atomic<int64_t> now = *parse_instant("2026-01-05T08:00:00Z");
};

/// Other bytes each time, all of them small.
class CountingRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override {
    std::array<uint8_t, 16> bytes{};
    bytes[0] = static_cast<uint8_t>(++drawn_);
    return bytes;
  }

 private:
  std::atomic<int> drawn_ = 0;
};

/// Keys that are others after forget().
class NumberedKeys final : public net::CredentialSource {
 public:
  Result<net::Credentials> get(const Cancel&) override {
    return net::Credentials{.access_key_id = fmt::format("AKIA{}", number.load()),
                            .secret_access_key = "hunter2",
                            .session_token = token,
                            .source = "test"};
  }
  void forget(const net::Credentials&) override { ++number; }
  std::atomic<int> number = 1;
  std::string token = "session";
};

class ScriptedS3 : public ::testing::Test {
 protected:
  using Step = std::function<testing::Answer(const testing::Asked&)>;

  ScriptedS3() {
    server_ = testing::start_http_server([this](const testing::Asked& asked) {
      if (steps_.empty()) {
        ADD_FAILURE() << "not in the script: " << asked.method << " " << asked.target;
        return testing::Answer{.status = 400};
      }
      Step step = steps_.front();
      steps_.pop_front();
      return step(asked);
    });
    options_.endpoint = server_->url();
    options_.max_tries = 4;
    options_.parts_in_flight = 1;  // a script has an order
    options_.backoff = {.first_ms = 100, .most_ms = 1000};
  }
  ~ScriptedS3() override {
    EXPECT_TRUE(steps_.empty()) << steps_.size() << " steps were not asked for";
  }

  Storage& store(const std::string& uri = "s3://bucket/lake") {
    auto made = make_s3_storage(uri, options_,
                                {.http = http_.get(),
                                 .credentials = &keys_,
                                 .clock = &clock_,
                                 .random = &random_,
                                 .wait = [this](int64_t wait_ms, const Cancel& cancel) -> Status {
                                   waits_ms_.push_back(wait_ms);
                                   clock_.now += wait_ms * 1000;
                                   return cancel.check();
                                 },
                                 .cancel = &cancel_});
    EXPECT_TRUE(made) << to_line(made.error());
    store_ = std::move(*made);
    return *store_;
  }

  /// What the server does next, one step a request.
  void script(std::initializer_list<std::variant<testing::Answer, Step>> steps) {
    for (const auto& step : steps) {
      if (const auto* answer = std::get_if<testing::Answer>(&step))
        steps_.emplace_back([answer = *answer](const testing::Asked&) { return answer; });
      else
        steps_.push_back(std::get<Step>(step));
    }
  }
  static testing::Answer error(int status, std::string_view code, std::string_view more = "") {
    return {.status = status,
            .headers = {{"Content-Type", "application/xml"}},
            .body = fmt::format("<?xml version=\"1.0\"?>\n<Error><Code>{}</Code><Message>words"
                                "</Message>{}</Error>",
                                code, more)};
  }
  static testing::Answer reset() { return {.ending = testing::Ending::kReset}; }
  /// To HEAD, about an object with that mark.
  static testing::Answer marked(const std::string& mark) {
    return {.headers = {{"ETag", "\"e\""},
                        {"Last-Modified", "Mon, 05 Jan 2026 08:00:00 GMT"},
                        {"x-amz-meta-weir-write", mark}}};
  }
  /// To GET with a range, of the whole object `bytes`.
  static testing::Answer part_of(const std::string& bytes, size_t from, size_t size) {
    return {.status = 206,
            .headers = {{"ETag", "\"e\""},
                        {"Content-Range",
                         fmt::format("bytes {}-{}/{}", from, from + size - 1, bytes.size())}},
            .body = bytes.substr(from, size)};
  }
  std::vector<testing::Asked> asked() const { return server_->asked(); }

  std::deque<Step> steps_;
  std::unique_ptr<testing::HttpServer> server_;
  std::unique_ptr<net::Http> http_ = *net::make_http({}, net::Reach::anywhere());
  NumberedKeys keys_;
  SetClock clock_;
  CountingRandom random_;
  Cancel cancel_;
  S3Options options_;
  std::vector<int64_t> waits_ms_;
  std::unique_ptr<Storage> store_;
};

}  // namespace weir::storage
