#include "notify/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::notify {
namespace {

using ::testing::HasSubstr;

const Json kMail = {{"host", "mail.example.org"}, {"from", "w@example.org"}, {"to", "a@b.org"}};
const Json kTopic = {{"topic_arn", "arn:aws:sns:eu-west-1:123456789012:ops"}};
const Json kHook = {{"url", "https://example.org/hook"}};

Json with(Json options, const std::string& name, Json value) {
  options[name] = std::move(value);
  return options;
}

TEST(ChannelSettings, TellWhatIsWrong) {
  struct Case {
    std::string kind;
    Json options;
    std::string says;
  };
  const Case cases[] = {
      {"webhook", Json::object(), "needs the option 'url'"},
      {"webhook", with(kHook, "tokne", "x"), "no option 'tokne'"},
      {"webhook", with(kHook, "method", "GET"), "'GET' is not known"},
      {"webhook", with(kHook, "body", "{{ subjcet }}"), "unknown field 'subjcet'"},
      {"webhook", with(kHook, "body", "{\"a\": {{ subject }}}"), "makes no JSON"},
      {"webhook", with(kHook, "headers", Json::array()), "no map of headers"},
      {"webhook", with(kHook, "timeout", "5m"), "no time from"},
      {"webhook", Json{{"url", "file:///etc/passwd"}}, "option 'url'"},
      {"smtp", with(kMail, "tls", "none"), "for this machine alone"},
      {"smtp", with(kMail, "tls", "tls"), "'tls' is not known"},
      {"smtp", with(kMail, "to", Json::array()), "needs the option 'to'"},
      {"smtp", with(kMail, "to", "a@b.org\r\nRCPT TO:<c@d.org>"), "is no address"},
      {"smtp", with(kMail, "host", "mail/../x"), "no name of a host"},
      {"smtp", with(kMail, "user", "ann"), "go together"},
      {"smtp", with(kMail, "port", 0), "no port"},
      {"sns", Json::object(), "needs the option 'topic_arn'"},
      {"sns", Json{{"topic_arn", "arn:aws:sqs:eu-west-1:1:x"}}, "names no topic"},
      {"log", Json{{"file", "x"}}, "no option 'file'"},
  };
  for (const auto& one : cases) {
    const auto checked = check_options(one.kind, one.options);
    ASSERT_FALSE(checked) << one.says;
    EXPECT_THAT(to_line(checked.error()), HasSubstr(one.says));
  }
}

TEST(ChannelSettings, HaveDefaultsThatAreSafe) {
  EXPECT_EQ(read_smtp_settings(kMail)->server.tls, net::MailTls::kStartTls);
  EXPECT_EQ(read_smtp_settings(kMail)->server.port, 587);
  EXPECT_EQ(read_smtp_settings(with(kMail, "tls", "implicit"))->server.port, 465);
  EXPECT_EQ(read_sns_settings(kTopic)->region, "eu-west-1");
  Json local = with(kMail, "tls", "none");
  local["host"] = "127.0.0.1";
  EXPECT_TRUE(read_smtp_settings(local));
  local["host"] = "127.example.org";
  EXPECT_FALSE(read_smtp_settings(local));
}

TEST(ChannelSettings, TakeReferencesForWhatIsNotKnownYet) {
  EXPECT_TRUE(check_options("webhook", {{"url", "secret://chat-url"}, {"token", "secret://t"}}));
  EXPECT_TRUE(check_options("sns", {{"topic_arn", "secret://topic"}}));
}

}  // namespace
}  // namespace weir::notify
