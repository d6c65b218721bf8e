#include "notify/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "notify/mail_text.h"

namespace weir::notify {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Template, PutsFieldsInAndKnowsThem) {
  const Json fields = {{"flow", "sales"}, {"attempt", 3}, {"message", "a \"b\"\nc"}};
  EXPECT_EQ(render("{{flow}} {{ attempt }}{{ task }}!", fields, Escape::kNone), "sales 3!");
  EXPECT_EQ(render("{\"t\": \"{{ message }}\"}", fields, Escape::kJson), R"({"t": "a \"b\"\nc"})");
  EXPECT_TRUE(check_template("{{ flow }} { } }}"));
  const auto typo = check_template("{{ flwo }}");
  ASSERT_FALSE(typo);
  EXPECT_THAT(typo.error().hint, HasSubstr("'flow'"));
  EXPECT_FALSE(check_template("{{ flow"));
  EXPECT_FALSE(check_template("{{ }}"));
}

TEST(UsualWords, SayFirstWhatIsToBeDone) {
  const Json fields = {{"event", "failed"},      {"state", "failed"},
                       {"project", "market"},    {"flow", "sales"},
                       {"task", "load"},         {"attempt", 3},
                       {"error_code", "denied"}, {"message", "the door is shut"},
                       {"hint", "take the key"}, {"command", "weir retry R"},
                       {"trail", "a\nb"},        {"run_id", "R"}};
  EXPECT_EQ(usual_subject(fields), "weir FAILED: market/sales, task load (denied)");
  EXPECT_EQ(usual_body(fields),
            "Flow 'sales' of project 'market' failed at task 'load' (attempt 3): denied\n"
            "the door is shut\nHelp: take the key\nTo go on: weir retry R\n"
            "  while a\n  while b\n\nRun R\n\nLog: weir logs R\n");
}

TEST(UsualWords, SubjectIsShortWhateverTheNames) {
  const Json fields = {{"event", "failed"}, {"project", std::string(400, 'p')}, {"flow", "ü"}};
  EXPECT_LE(usual_subject(fields).size(), 120U);
}

SmtpSettings settings() {
  SmtpSettings made;
  made.from = "weir@example.org";
  made.to = {"ann@example.org", "bob@example.org"};
  return made;
}

TEST(MailText, HasOneMessageIdAndLinesByCrlf) {
  Message message;
  message.key = "k1";
  message.subject = "weir FAILED: shop";
  message.body = "one\n.two\n";
  message.at_us = 1'767'600'000'000'000;
  const std::string text = mail_text(message, settings());
  EXPECT_THAT(text, AllOf(HasSubstr("Message-ID: <k1@example.org>\r\n"),
                          HasSubstr("Subject: weir FAILED: shop\r\n"),
                          HasSubstr("To: ann@example.org,\r\n bob@example.org\r\n"),
                          HasSubstr("Date: Mon, 5 Jan 2026 08:00:00 +0000\r\n"),
                          HasSubstr("\r\n\r\none\r\n.two\r\n")));
}

TEST(MailText, NoFieldBreaksOutOfItsHeader) {
  Message message;
  message.key = "k1";
  message.subject = "a\r\nBcc: eve@example.org";
  message.body = "grüße " + std::string(2000, 'x');
  const std::string text = mail_text(message, settings());
  EXPECT_THAT(text, Not(HasSubstr("Bcc:")));
  EXPECT_THAT(text, HasSubstr("Content-Transfer-Encoding: base64"));
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find("\r\n", at);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - at, 78U);
    at = end + 2;
  }
}

TEST(MailText, LongSubjectOfManyBytesIsCutBetweenCharacters) {
  Message message;
  message.subject.clear();
  for (int i = 0; i < 60; ++i) message.subject += "ü";
  const std::string text = mail_text(message, settings());
  std::string subject;
  for (size_t at = text.find("=?UTF-8?B?"); at != std::string::npos;
       at = text.find("=?UTF-8?B?", at + 1)) {
    const size_t end = text.find("?=", at + 10);
    const auto word = from_base64(text.substr(at + 10, end - at - 10));
    ASSERT_TRUE(word);
    EXPECT_EQ(word->size() % 2, 0U);
    subject += *word;
  }
  EXPECT_EQ(subject, message.subject);
}

}  // namespace
}  // namespace weir::notify
