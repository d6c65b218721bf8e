#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "server/attempts.h"
#include "server/gate.h"
#include "server/metrics.h"
#include "server/openapi.h"
#include "server/password.h"
#include "server/problem.h"
#include "server/router.h"
#include "server/schemas.h"

// Pure parts; the whole of it is asked by tests/acceptance/server_test.py.

namespace weir::server {
namespace {

using ::testing::HasSubstr;

class FakeClock : public Clock {
 public:
  int64_t now_us() override { return now_us_; }
  int64_t monotonic_us() override { return now_us_; }
  void advance_s(int64_t seconds) { now_us_ += seconds * 1'000'000; }

 private:
  int64_t now_us_ = 1'000'000'000;
};

Rights rights(const std::vector<catalog::Grant>& grants) { return *Rights::of(grants); }

TEST(Rights, NothingIsAllowedThatNoGrantSays) {
  const Rights none;
  const Rights some = rights({{"sales_*", "operator"}, {"shop", "viewer"}});
  EXPECT_FALSE(none.allows(Role::kViewer, "shop"));
  EXPECT_FALSE(none.allows_somewhere(Role::kViewer));
  EXPECT_TRUE(some.allows(Role::kOperator, "sales_eu"));
  EXPECT_TRUE(some.allows(Role::kViewer, "sales_eu"));
  EXPECT_FALSE(some.allows(Role::kDeveloper, "sales_eu"));
  EXPECT_FALSE(some.allows(Role::kOperator, "shop"));
  EXPECT_FALSE(some.allows_everywhere(Role::kViewer));
  EXPECT_TRUE(rights({{"*", "viewer"}}).allows_everywhere(Role::kViewer));
  EXPECT_FALSE(Rights::of({{"*", "root"}}).has_value());
}

TEST(Rights, WhatIsLeftForATokenIsInBoth) {
  const Rights all = rights({{"*", "admin"}});
  EXPECT_TRUE(all.within({"sales_*", "operator"}).allows(Role::kOperator, "sales_eu"));
  EXPECT_FALSE(all.within({"sales_*", "operator"}).allows(Role::kDeveloper, "sales_eu"));
  EXPECT_FALSE(all.within({"sales_*", "operator"}).allows(Role::kViewer, "shop"));
  const Rights some = rights({{"sales_*", "viewer"}});
  EXPECT_FALSE(some.within({"*", "admin"}).allows(Role::kOperator, "sales_eu"));
  EXPECT_FALSE(some.within({"*", "admin"}).allows(Role::kViewer, "shop"));
  EXPECT_TRUE(some.within({"sales_eu", "admin"}).allows(Role::kViewer, "sales_eu"));
  EXPECT_FALSE(some.within({"sales_eu", "admin"}).allows(Role::kViewer, "sales_us"));
  EXPECT_FALSE(some.within({"sales", "admin"}).allows_somewhere(Role::kViewer));
  EXPECT_FALSE(some.within({"sales_eu*", "admin"}).allows(Role::kViewer, "sales_us"));
  // Against the definition, over all short patterns and names.
  const std::vector<std::string> names = {"a", "b", "aa", "ab", "ba"};
  std::vector<std::string> patterns = {"*"};
  for (const auto& name : names) patterns.insert(patterns.end(), {name, name + "*"});
  for (const auto& one : patterns)
    for (const auto& other : patterns)
      for (const auto& name : names)
        EXPECT_EQ(rights({{one, "viewer"}}).within({other, "viewer"}).allows(Role::kViewer, name),
                  catalog::FlowScope{{one}}.has(name) && catalog::FlowScope{{other}}.has(name))
            << one << " " << other << " " << name;
}

TEST(Attempts, FiveFailuresFromOneAddressMakeItWait) {
  FakeClock clock;
  Attempts attempts(clock);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(attempts.wait_seconds("ann", "::1"), 0);
    attempts.note_failure("ann", "::1");
    clock.advance_s(10);
  }
  EXPECT_EQ(attempts.wait_seconds("ann", "::1"), 250);
  EXPECT_EQ(attempts.wait_seconds("ann", "10.0.0.1"), 0) << "ann herself, elsewhere";
  EXPECT_EQ(attempts.wait_seconds("bob", "::1"), 0);
  clock.advance_s(249);
  EXPECT_EQ(attempts.wait_seconds("ann", "::1"), 1);
  clock.advance_s(1);
  EXPECT_EQ(attempts.wait_seconds("ann", "::1"), 0);
  attempts.note_failure("ann", "::1");
  EXPECT_GT(attempts.wait_seconds("ann", "::1"), 0);
  attempts.note_success("ann", "::1");
  EXPECT_EQ(attempts.wait_seconds("ann", "::1"), 0);
}

TEST(Attempts, AThousandAddressesGuessNoFaster) {
  FakeClock clock;
  Attempts attempts(clock);
  for (int i = 0; i < 100; ++i) attempts.note_failure("ann", fmt::format("10.0.0.{}", i));
  EXPECT_GT(attempts.wait_seconds("ann", "10.1.1.1"), 0);
  for (int i = 0; i < 30; ++i) attempts.note_failure(fmt::format("user{}", i), "10.2.2.2");
  EXPECT_GT(attempts.wait_seconds("somebody", "10.2.2.2"), 0);
}

TEST(Password, IsHashedWithItsCostAndKnownAgain) {
  const auto hash = hash_password("a good long password");
  ASSERT_TRUE(hash.has_value());
  EXPECT_THAT(*hash, HasSubstr("$argon2id$v=19$m=19456,t=2,p=1$"));
  EXPECT_NE(*hash, *hash_password("a good long password")) << "each has its salt";
  EXPECT_TRUE(is_password(*hash, "a good long password"));
  EXPECT_FALSE(is_password(*hash, "a good long passwort"));
  EXPECT_FALSE(is_password("", "x"));
  EXPECT_FALSE(is_password(std::string(5000, '$'), "x"));
  EXPECT_FALSE(check_password("ann", "short").has_value());
  EXPECT_FALSE(check_password("annannannann", "annannannann").has_value());
  EXPECT_TRUE(check_password("ann", "annannannann").has_value());
  EXPECT_NE(*random_word(), *random_word());
  EXPECT_EQ(random_word()->size(), 43u);
}

TEST(Router, ReadsNamesOneWay) {
  std::string allowed;
  const auto match = find_route("GET", "/v1/flows/gr%C3%B6%C3%9Fe%201", allowed);
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->route->name, "get_flow");
  EXPECT_EQ(match->path.at("flow_id"), "größe 1");
  for (const char* bad : {"/v1/flows/..", "/v1/flows/%2e", "/v1/flows/a%2fb", "/v1/flows/%zz",
                          "/v1/flows/%", "/v1/flows/%1", "/v1/flows/%00", "/v1/flows/%c0%ae",
                          "/v1/flows/a%0a", "/v1/flows?limit=1&limit=2", "/v1/flows?x=1",
                          "v1/flows", "/v1/flows#a", "/v1/flows?limit=%", "/v1/flows?limit="}) {
    allowed.clear();
    const auto refused = find_route("GET", bad, allowed);
    ASSERT_FALSE(refused.has_value()) << bad;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidData) << bad;
  }
  allowed.clear();
  EXPECT_EQ(find_route("PUT", "/v1/session", allowed).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(allowed, "POST, GET, HEAD, DELETE");
  for (const char* nothing : {"/", "/v1", "/v1/", "/v1/flows/", "/V1/flows", "/v1//flows"}) {
    allowed.clear();
    const auto refused = find_route("GET", nothing, allowed);
    ASSERT_FALSE(refused.has_value()) << nothing;
  }
  allowed.clear();
  EXPECT_EQ(find_route("GET", "/v1/runs?flow_id=a+b%2B", allowed)->query.at("flow_id"), "a b+");
}

TEST(Routes, AreTheirOwnContract) {
  std::set<std::string> names;
  std::set<std::string> places;
  for (const Route& route : all_routes()) {
    SCOPED_TRACE(route.name);
    EXPECT_TRUE(names.insert(route.name).second);
    EXPECT_TRUE(places.insert(route.method + " " + route.path).second);
    EXPECT_TRUE(route.summary.ends_with('.'));
    EXPECT_NE(route.handler, nullptr);
    EXPECT_TRUE(route.body.empty() || schemas().contains(route.body));
    EXPECT_TRUE(route.answer.empty() || schemas().contains(route.answer));
    EXPECT_EQ(
        route.answer.empty() && route.status != 204 && route.content_type == "application/json",
        route.name == "get_openapi");
    // What an object is judged by stands in the path.
    const auto parameters = path_parameters(route);
    const auto has = [&](const char* name) {
      return std::ranges::find(parameters, name) != parameters.end();
    };
    if (route.access == Access::kRole) {
      EXPECT_EQ(route.object == Object::kFlow, has("flow_id"));
      EXPECT_EQ(route.object == Object::kRun, has("run_id"));
      EXPECT_EQ(route.object == Object::kHold, has("token"));
      EXPECT_EQ(route.object == Object::kDataset, has("dataset"));
    }
    // Reading needs no more than it says, changing never less than an operator.
    EXPECT_TRUE(route.method == "GET" || route.access != Access::kRole ||
                route.role >= Role::kOperator);
  }
}

TEST(Shape, NamesTheFieldThatIsWrong) {
  const Json& schema = schemas().at("StartRun");
  EXPECT_TRUE(
      check_shape(schema, {{"run_key", "a"}, {"params", {{"x", 1}}}}, "the body").has_value());
  const auto message = [&](const Json& value) {
    const auto status = check_shape(schema, value, "the body");
    return status ? std::string("fine") : status.error().message;
  };
  EXPECT_EQ(message({{"run_key", 1}}), "'run_key' is no string");
  EXPECT_EQ(message({{"key", "a"}}), "the body has no field 'key'");
  EXPECT_EQ(message(Json::array()), "the body is no object");
  EXPECT_EQ(message({{"run_key", std::string(201, 'a')}}), "'run_key' is longer than 200 bytes");
}

RequestHead head_with(std::vector<std::pair<std::string, std::string>> headers,
                      bool is_tls = false) {
  headers.emplace_back("host", "weir.example:8080");
  RequestHead head;
  head.headers = std::move(headers);
  head.is_tls = is_tls;
  return head;
}

TEST(SameOrigin, IsSaidByTheBrowserOrByTheOrigin) {
  EXPECT_TRUE(check_same_origin(head_with({{"sec-fetch-site", "same-origin"}}), true).has_value());
  EXPECT_TRUE(
      check_same_origin(head_with({{"origin", "http://weir.example:8080"}}), true).has_value());
  EXPECT_TRUE(check_same_origin(head_with({{"origin", "https://weir.example:8080"}}, true), true)
                  .has_value());
  EXPECT_TRUE(check_same_origin(head_with({}), false).has_value());
  EXPECT_FALSE(check_same_origin(head_with({}), true).has_value());
  EXPECT_FALSE(check_same_origin(head_with({{"origin", "http://weir.example:8080"}}, true), true)
                   .has_value());
  for (const char* site : {"cross-site", "same-site", "none", "", "Same-Origin"})
    EXPECT_FALSE(check_same_origin(head_with({{"sec-fetch-site", site}}), false).has_value())
        << site;
  EXPECT_FALSE(
      check_same_origin(
          head_with({{"sec-fetch-site", "same-origin"}, {"sec-fetch-site", "cross-site"}}), true)
          .has_value());
}

TEST(Problem, TellsNothingOfTheInside) {
  const Error inside{ErrorCode::kUnavailable,
                     "cannot connect to 10.1.2.3 as weir",
                     {"reading"},
                     "x",
                     std::nullopt};
  const Answer answer = problem(inside, "id-1");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, ::testing::Not(HasSubstr("10.1.2.3")));
  EXPECT_THAT(answer.body, HasSubstr("id-1"));
  for (const ErrorCode code : all_error_codes()) {
    const Answer each = problem(Error{code, "the text", {}, "", std::nullopt}, "id");
    EXPECT_GE(each.status, 400);
    EXPECT_EQ(each.body.find("the text") != std::string::npos,
              each.status < 500 || each.status == 501)
        << to_text(code);
  }
}

TEST(Metrics, AreTheTextFormat) {
  Metrics metrics("1.2", "3", 5'000'000);
  metrics.note_request("list_runs", 200, 3000);
  metrics.note_request("list_runs", 200, 700'000);
  catalog::Numbers numbers;
  numbers.runs = {{"failed", 2}};
  numbers.last_success_us = {{"a\"b\\c\nd", 1'500'000}};
  SchedulerState state;
  state.scheduler_lag_us = 250'000;
  state.decisions = 3;
  state.deciding_us = 1500;
  state.queue_length = {{"runs", 7}};
  TaskUsage usage;
  usage.by_flow = {{{"shop", "check"}, {.attempts = 3, .cpu_ms = 1250}}};
  usage.by_template = {{"check", {.buckets = {0, 1, 2}, .count = 2, .sum_bytes = 300'000'000}}};
  const std::string text = metrics.text(numbers, state, usage);
  for (const char* line :
       {"weir_runs{state=\"failed\"} 2\n",
        "weir_flow_last_success_timestamp_seconds{flow=\"a\\\"b\\\\c\\nd\"} 1.5\n",
        "weir_scheduler_lag_seconds 0.25\n", "weir_scheduler_decision_seconds_sum 0.0015\n",
        "weir_scheduler_decision_seconds_count 3\n", "weir_queue_length{queue=\"runs\"} 7\n",
        "weir_http_requests_total{route=\"list_runs\",status=\"200\"} 2\n",
        "weir_http_request_duration_seconds_bucket{route=\"list_runs\",le=\"0.005\"} 1\n",
        "weir_http_request_duration_seconds_bucket{route=\"list_runs\",le=\"0.5\"} 1\n",
        "weir_http_request_duration_seconds_bucket{route=\"list_runs\",le=\"1\"} 2\n",
        "weir_http_request_duration_seconds_bucket{route=\"list_runs\",le=\"+Inf\"} 2\n",
        "weir_http_request_duration_seconds_sum{route=\"list_runs\"} 0.703\n",
        "weir_task_attempts_total{flow=\"shop\",template=\"check\"} 3\n",
        "weir_task_cpu_seconds_total{flow=\"shop\",template=\"check\"} 1.25\n",
        "weir_task_peak_memory_bytes_bucket{template=\"check\",le=\"100000000\"} 1\n",
        "weir_task_peak_memory_bytes_bucket{template=\"check\",le=\"+Inf\"} 2\n",
        "weir_task_peak_memory_bytes_sum{template=\"check\"} 300000000\n",
        "weir_task_peak_memory_bytes_count{template=\"check\"} 2\n",
        "weir_build_info{version=\"1.2\",duckdb=\"3\"} 1\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

}  // namespace
}  // namespace weir::server
