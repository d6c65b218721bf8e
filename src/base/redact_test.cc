#include "base/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/json.h"

namespace weir {
namespace {

TEST(Redactor, TakesOutValuesInEveryForm) {
  const std::string value = "p\"ss/w+rd \xc3\xa4";
  Redactor redactor;
  redactor.remember(value);
  EXPECT_EQ(redactor.clean("before " + value + " after"), "before [secret] after");
  EXPECT_EQ(redactor.clean(dump_json(Json{{"x", value}})), R"({"x":"[secret]"})");
  EXPECT_EQ(redactor.clean("https://h/?q=p%22ss%2Fw%2Brd%20%C3%A4&r=1"),
            "https://h/?q=[secret]&r=1");
  EXPECT_EQ(redactor.clean("p%22ss%2fw%2brd%20%c3%a4"), "[secret]");
  EXPECT_EQ(redactor.clean(to_hex(value)), "[secret]");
}

RC_GTEST_PROP(Redactor, TakesOutValuesWithinBase64,
              (const std::string& before, const std::string& after)) {
  const std::string value = "tr0ub4dor&3?>~";
  Redactor redactor;
  redactor.remember(value);
  std::string text = base64(before + value + after);
  RC_ASSERT(redactor.clean(text).find("[secret]") != std::string::npos);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  RC_ASSERT(redactor.clean(text).find("[secret]") != std::string::npos);
}

TEST(Redactor, TakesTheLongerOfTwoValuesFirst) {
  Redactor redactor;
  redactor.remember("horse");
  redactor.remember("horse battery");
  EXPECT_EQ(redactor.clean("horse battery, horse"), "[secret], [secret]");
}

TEST(Redactor, LeavesShortValues) {
  Redactor redactor;
  redactor.remember("a");
  redactor.remember("");
  EXPECT_EQ(redactor.clean("a banana"), "a banana");
}

TEST(Redactor, TakesOutWhatFollowsANameOfASecret) {
  const Redactor redactor;
  for (const auto& [text, cleaned] : {
           std::pair{"host=db password=hunter2 user=x", "host=db password=[secret] user=x"},
           {"password: 'it is, long' next", "password: '[secret]' next"},
           {R"({"secret_key": "a\"b", "user": "x"})", R"({"secret_key": "[secret]", "user": "x"})"},
           {"Authorization: Bearer abc.def", "Authorization: Bearer [secret]"},
           {"X-Api-Key: abc", "X-Api-Key: [secret]"},
           {"DB_PASSWORD=abc;x", "DB_PASSWORD=[secret];x"},
           {"AWS_SECRET_ACCESS_KEY=abc", "AWS_SECRET_ACCESS_KEY=[secret]"},
       })
    EXPECT_EQ(redactor.clean(text), cleaned);
}

TEST(Redactor, LeavesWhatIsNoSecret) {
  const Redactor redactor;
  for (const char* text :
       {"token 4711 of the operation", "the password is wrong", "secret://shop-db#password",
        "password: secret://shop-db#password", "passwords=3", "a=b", "password=", ""})
    EXPECT_EQ(redactor.clean(text), text);
}

}  // namespace
}  // namespace weir
