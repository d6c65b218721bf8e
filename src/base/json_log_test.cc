#include "base/json_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/instant.h"
#include "base/redact.h"

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// What a log said, a line each.
std::vector<std::string> lines_of(const std::function<void(JsonLog&)>& say,
                                  LogLevel least = LogLevel::kInfo) {
  ::testing::internal::CaptureStderr();
  const auto log = make_json_log(least);
  say(*log);
  std::istringstream said(::testing::internal::GetCapturedStderr());
  std::vector<std::string> lines;
  for (std::string line; std::getline(said, line);) lines.push_back(line);
  return lines;
}

TEST(JsonLog, EachLineIsAnObjectWhateverTheMessageHas) {
  const auto lines = lines_of([](JsonLog& log) {
    log.warning("a \"quoted\"\nline {}", "\xff");
    log.write(LogLevel::kInfo, "task ended", Json{{"run_id", "r1"}, {"attempt", 2}});
  });
  ASSERT_EQ(lines.size(), 2U);
  const auto first = parse_json(lines[0]);
  ASSERT_TRUE(first) << lines[0];
  EXPECT_EQ((*first)["level"], "warning");
  EXPECT_EQ((*first)["message"], "a \"quoted\"\nline \xef\xbf\xbd");
  EXPECT_TRUE(parse_instant((*first)["time"].get<std::string>())) << lines[0];
  const auto second = parse_json(lines[1]);
  ASSERT_TRUE(second) << lines[1];
  EXPECT_EQ((*second)["run_id"], "r1");
  EXPECT_EQ((*second)["attempt"], 2);
}

TEST(JsonLog, FieldsDoNotStandInForItsOwn) {
  const auto lines = lines_of([](JsonLog& log) {
    log.write(LogLevel::kInfo, "mine", Json{{"message", "theirs"}, {"level", "none"}});
  });
  ASSERT_EQ(lines.size(), 1U);
  const auto line = parse_json(lines[0]);
  ASSERT_TRUE(line);
  EXPECT_EQ((*line)["message"], "mine");
  EXPECT_EQ((*line)["level"], "info");
}

TEST(JsonLog, AStampIsOnEveryLineFromThenOn) {
  const auto lines = lines_of([](JsonLog& log) {
    log.info("before");
    log.stamp({{"server", "night, process 7"}});
    log.info("plain");
    log.write(LogLevel::kInfo, "mine", Json{{"server", "theirs"}, {"run_id", "r1"}});
  });
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_FALSE((*parse_json(lines[0])).contains("server"));
  EXPECT_EQ((*parse_json(lines[1]))["server"], "night, process 7");
  EXPECT_EQ((*parse_json(lines[2]))["server"], "night, process 7") << "who writes the line says it";
  EXPECT_EQ((*parse_json(lines[2]))["run_id"], "r1");
}

TEST(JsonLog, SaysNothingBelowItsLevel) {
  const auto lines = lines_of(
      [](JsonLog& log) {
        log.info("not this");
        log.warning("this");
      },
      LogLevel::kWarning);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines[0], HasSubstr("this"));
}

TEST(JsonLog, SecretsAreTakenOutOfMessagesAndFieldsInEveryForm) {
  const std::string secret = "p\"ss\\w\nrd-of-the-log";
  process_redactor().remember(secret);
  const auto lines = lines_of([&](JsonLog& log) {
    log.warning("it says {} and {}", secret, base64("user:" + secret));
    log.write(LogLevel::kInfo, "deep",
              Json{{"hint", {{"list", Json::array({"x " + secret})}}}, {"password", "short"}});
    log.write(LogLevel::kInfo, "named: password=hunter22", Json::object());
  });
  ASSERT_EQ(lines.size(), 3U);
  for (const std::string& line : lines) {
    ASSERT_TRUE(parse_json(line)) << line;
    EXPECT_THAT(line, Not(HasSubstr("of-the-log")));
    EXPECT_THAT(line, Not(HasSubstr(base64("user:" + secret).substr(8, 20))));
    EXPECT_THAT(line, Not(HasSubstr("hunter22")));
  }
  EXPECT_THAT(lines[1], HasSubstr("x [secret]"));
}

}  // namespace
}  // namespace weir
