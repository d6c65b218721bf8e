/// Many objects removed by one request, where S3 does not do all that it was asked at once.

#include "storage/s3/scripted_s3_for_test.h"

namespace weir::storage {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::Asked;
using testing::Ending;
using ::testing::HasSubstr;
using ::testing::Not;

class S3Removal : public ScriptedS3 {};

const std::vector<std::string> kThree = {"a/k", "b & c", "d"};

/// One `<Deleted>` or `<Error>` of an answer.
std::string gone(std::string_view key) {
  return fmt::format("<Deleted><Key>{}</Key></Deleted>", key);
}
std::string kept(std::string_view key, std::string_view code) {
  return fmt::format("<Error><Key>{}</Key><Code>{}</Code><Message>words</Message></Error>", key,
                     code);
}
Answer results(std::string_view each) {
  return {.body = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                              "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}"
                              "</DeleteResult>",
                              each)};
}
const std::string kAllGone = gone("lake/a/k") + gone("lake/b &amp; c") + gone("lake/d");

TEST_F(S3Removal, ManyAreRemovedByOneRequestWithItsDigests) {
  store();
  script({results(kAllGone)});
  const auto removed = store_->remove_all(kThree);
  ASSERT_TRUE(removed) << to_line(removed.error());
  const Asked post = asked().at(0);
  EXPECT_EQ(post.method, "POST");
  EXPECT_EQ(post.target, "/bucket?delete=");
  EXPECT_EQ(post.body,
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>lake/a/k</Key>"
            "</Object><Object><Key>lake/b &amp; c</Key></Object><Object><Key>lake/d</Key></Object>"
            "</Delete>");
  // By other programs: md5sum and sha256sum of the body, and base64.
  EXPECT_EQ(post.header("content-md5"), "JnBVL7K2h0TntiNESUHp0w==");
  EXPECT_EQ(post.header("x-amz-checksum-sha256"), "9hmEeEsSun49AXOF6g0aM8tWyQdStpbB0naTdUP9wSg=");
}

TEST_F(S3Removal, ARequestCarriesAThousandKeys) {
  store();
  std::vector<std::string> names;
  for (int i = 0; i < 2'001; ++i) names.push_back(fmt::format("k{:04}", i));
  const auto all_gone = [](const Asked& post) {
    std::string each;
    for (size_t at = 0; (at = post.body.find("<Key>", at)) != std::string::npos;) {
      at += 5;
      each += gone(post.body.substr(at, post.body.find('<', at) - at));
    }
    return results(each);
  };
  script({all_gone, all_gone, all_gone});
  ASSERT_TRUE(store_->remove_all(names));
  EXPECT_THAT(asked().at(0).body, AllOf(HasSubstr("k0000<"), HasSubstr("k0999<")));
  EXPECT_THAT(asked().at(1).body, AllOf(Not(HasSubstr("k0999<")), HasSubstr("k1000<")));
  EXPECT_THAT(asked().at(2).body, AllOf(Not(HasSubstr("k1999<")), HasSubstr("k2000<")));
}

TEST_F(S3Removal, KeysThatXmlCannotCarryAreRemovedByThemselves) {
  store();
  script({results(gone("lake/k")), Answer{.status = 204}, Answer{.status = 204}});
  const std::vector<std::string> names = {"line\nend", "k", "\x01"};
  ASSERT_TRUE(store_->remove_all(names));
  EXPECT_THAT(asked().at(0).body, Not(HasSubstr("line")));
  EXPECT_EQ(asked().at(1).target, "/bucket/lake/line%0Aend");
  EXPECT_EQ(asked().at(2).target, "/bucket/lake/%01");
}

TEST_F(S3Removal, AKeyThatIsRefusedIsNamedWithTheReason) {
  store();
  script({results(gone("lake/a/k") + kept("lake/b &amp; c", "AccessDenied") + gone("lake/d"))});
  const auto one = store_->remove_all(kThree);
  ASSERT_FALSE(one);
  EXPECT_EQ(one.error().code, ErrorCode::kDenied);
  EXPECT_THAT(to_line(one.error()),
              AllOf(HasSubstr("cannot remove 'b & c' in 's3://bucket/lake': AccessDenied: words"),
                    HasSubstr("s3:DeleteObject"), Not(HasSubstr("nor"))));
  // What is not there is removed; of several the first is told that no other try would help.
  script({results(kept("lake/a/k", "SlowDown") + kept("lake/b &amp; c", "AccessDenied") +
                  kept("lake/d", "NoSuchKey"))});
  const auto several = store_->remove_all(kThree);
  ASSERT_FALSE(several);
  EXPECT_THAT(to_line(several.error()), AllOf(HasSubstr("cannot remove 'b & c'"),
                                              HasSubstr("nor 'a/k'"), Not(HasSubstr("'d'"))));
  EXPECT_TRUE(waits_ms_.empty());
}

TEST_F(S3Removal, ManyThatAreRefusedAreNotAllNamed) {
  store();
  std::vector<std::string> names;
  std::string each;
  for (int i = 0; i < 9; ++i) {
    names.push_back(fmt::format("k{}", i));
    each += kept("lake/" + names.back(), "AccessDenied");
  }
  script({results(each)});
  EXPECT_THAT(to_line(store_->remove_all(names).error()),
              AllOf(HasSubstr("'k0'"), HasSubstr("'k5' and 3 more"), Not(HasSubstr("'k6'"))));
}

TEST_F(S3Removal, KeysThatAreRefusedForNowAreAskedForAgainAlone) {
  store();
  script({results(kept("lake/a/k", "InternalError") + gone("lake/b &amp; c") +
                  kept("lake/d", "SlowDown")),
          results(gone("lake/a/k") + gone("lake/d"))});
  ASSERT_TRUE(store_->remove_all(kThree));
  EXPECT_THAT(asked().at(1).body, AllOf(HasSubstr("lake/a/k"), Not(HasSubstr("b &amp; c"))));
  EXPECT_EQ(waits_ms_.size(), 1U);
  const std::vector<std::string> one = {"d"};
  for (int i = 0; i < options_.max_tries; ++i) script({results(kept("lake/d", "SlowDown"))});
  EXPECT_EQ(store_->remove_all(one).error().code, ErrorCode::kUnavailable);
  for (int i = 0; i < options_.max_tries; ++i) script({results(kept("lake/d", "InternalError"))});
  EXPECT_EQ(store_->remove_all(one).error().code, ErrorCode::kOutcomeUnknown);
}

TEST_F(S3Removal, CancelEndsTheTriesOfKeys) {
  store();
  script({[this](const Asked&) {
    cancel_.cancel("enough");
    return results(kept("lake/a/k", "SlowDown") + gone("lake/b &amp; c") + gone("lake/d"));
  }});
  EXPECT_EQ(store_->remove_all(kThree).error().code, ErrorCode::kCancelled);
}

TEST_F(S3Removal, LostAnswersToARemovalAreAskedForAgainOrUnknown) {
  store();
  Answer truncated = results(kAllGone);
  truncated.ending = Ending::kTruncated;
  script({error(503, "SlowDown"), reset(), truncated, results(kAllGone)});
  EXPECT_TRUE(store_->remove_all(kThree));
  for (int i = 0; i < options_.max_tries; ++i) script({reset()});
  const auto lost = store_->remove_all(kThree);
  EXPECT_EQ(lost.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(to_line(lost.error()), HasSubstr("remove 'a/k' in 's3://bucket/lake' and 2 more"));
  for (int i = 0; i < options_.max_tries; ++i) script({error(503, "SlowDown")});
  EXPECT_EQ(store_->remove_all(kThree).error().code, ErrorCode::kUnavailable);
}

TEST_F(S3Removal, AnAnswerThatLeavesAKeyOutIsNone) {
  store();
  script({results(gone("lake/a/k") + gone("lake/d")), Answer{.body = "{}"},
          Answer{.body = "<ListBucketResult/>"}, results(kAllGone)});
  EXPECT_TRUE(store_->remove_all(kThree));
  for (int i = 0; i < options_.max_tries; ++i) script({results(gone("lake/d"))});
  const auto silent = store_->remove_all(kThree);
  EXPECT_EQ(silent.error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(to_line(silent.error()), HasSubstr("nothing about 2 of 3 keys"));
}

TEST_F(S3Removal, RefusalOfAWholeRemovalIsTold) {
  store();
  script({error(403, "AccessDenied")});
  EXPECT_EQ(store_->remove_all(kThree).error().code, ErrorCode::kDenied);
  script({error(404, "NoSuchBucket")});
  EXPECT_EQ(store_->remove_all(kThree).error().code, ErrorCode::kInvalidConfig);
  script({error(200, "InternalError"), results(kAllGone)});
  EXPECT_TRUE(store_->remove_all(kThree));
}

TEST_F(S3Removal, ServerThatRemovesOneByOneIsAskedSo) {
  store();
  script({error(501, "NotImplemented"), Answer{.status = 204}, Answer{.status = 404},
          Answer{.status = 204}});
  EXPECT_TRUE(store_->remove_all(kThree));
  EXPECT_EQ(asked().back().target, "/bucket/lake/d");
  EXPECT_EQ(asked().back().method, "DELETE");
}

}  // namespace
}  // namespace weir::storage
