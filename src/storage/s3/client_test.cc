/// What the store does when S3 does not do what it was asked at once: reads, listings, and all that
/// is the same for every request. Writes are in writer_test.cc.

#include "storage/s3/scripted_s3_for_test.h"

namespace weir::storage {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::Asked;
using ::testing::ElementsAre;
using testing::Ending;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kBytes = "0123456789";

class S3Client : public ScriptedS3 {
 protected:
  Result<std::string> read() { return store_->read("a/k", Range::all()); }
  Answer whole() const { return part_of(kBytes, 0, kBytes.size()); }
  std::string failure(ErrorCode code) {
    const auto bytes = read();
    if (bytes) return "no failure: " + *bytes;
    EXPECT_EQ(bytes.error().code, code) << to_line(bytes.error());
    const std::string text = to_line(bytes.error());
    EXPECT_THAT(text, AllOf(HasSubstr("'a/k' in 's3://bucket/lake'"), Not(HasSubstr("hunter2")),
                            Not(HasSubstr("Signature="))));
    return text;
  }
};

TEST_F(S3Client, RequestIsSignedAndNamesTheWholeKey) {
  options_.is_requester_pays = true;
  options_.region = "eu-west-1";
  store();
  script({whole()});
  EXPECT_EQ(*read(), kBytes);
  const Asked get = asked().at(0);
  EXPECT_EQ(get.target, "/bucket/lake/a/k");
  EXPECT_THAT(get.header("authorization"),
              HasSubstr("Credential=AKIA1/20260105/eu-west-1/s3/aws4_request"));
  EXPECT_EQ(get.header("x-amz-security-token"), "session");
  EXPECT_EQ(get.header("x-amz-request-payer"), "requester");
  EXPECT_EQ(get.header("x-amz-date"), "20260105T080000Z");
}

TEST_F(S3Client, ThrottledRequestIsTriedAgainAfterAWait) {
  store();
  script({error(503, "SlowDown"), Answer{.status = 500},
          Answer{.status = 429, .headers = {{"Retry-After", "7"}}}, whole()});
  EXPECT_EQ(*read(), kBytes);
  ASSERT_EQ(waits_ms_.size(), 3U);
  EXPECT_LE(waits_ms_[0], 100);
  EXPECT_LE(waits_ms_[1], 200);
  EXPECT_EQ(waits_ms_[2], 7000);
}

TEST_F(S3Client, TriesAreBounded) {
  store();
  for (int i = 0; i < options_.max_tries; ++i) script({error(503, "SlowDown")});
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("SlowDown"));
}

TEST_F(S3Client, DeadlineEndsTheTries) {
  options_.max_tries = 1000;
  options_.deadline_ms = 10'000;
  store();
  const Answer later{.status = 503, .headers = {{"Retry-After", "4"}}};
  script({later, later, later});
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("503"));
  EXPECT_THAT(waits_ms_, ElementsAre(4000, 4000));
}

TEST_F(S3Client, SilentServerIsLeftAtTheDeadline) {
  options_.max_tries = 1;
  options_.deadline_ms = 100;
  store();
  script({Answer{.ending = Ending::kSilent}});
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("in time"));
}

TEST_F(S3Client, BrokenAnswersAreAskedForAgain) {
  store();
  Answer truncated = whole();
  truncated.ending = Ending::kTruncated;
  Answer short_of_said = whole();
  short_of_said.said_bytes = 100;
  Answer other_range = whole();
  other_range.headers.at(1).value = "bytes 5-14/20";
  script({reset(), truncated, short_of_said, whole()});
  EXPECT_EQ(*read(), kBytes);
  script({other_range, whole()});
  EXPECT_EQ(*read(), kBytes);
  Answer fewer = whole();
  fewer.body.pop_back();
  script({fewer, fewer, fewer, fewer});
  EXPECT_THAT(failure(ErrorCode::kUnavailable), HasSubstr("9 came as 'bytes 0-9/10'"));
}

TEST_F(S3Client, ServerWithoutRangesIsReadAllTheSame) {
  store();
  script({Answer{.body = kBytes}, Answer{.body = kBytes}});
  EXPECT_EQ(*store_->read("a/k", {3, 4}), "3456");
  EXPECT_EQ(*store_->read("a/k", {8, 100}), "89");
}

TEST_F(S3Client, PiecesAreOfOneVersion) {
  options_.read_piece_bytes = 4;
  store();
  script({part_of(kBytes, 0, 4), part_of(kBytes, 4, 4), part_of(kBytes, 8, 2)});
  EXPECT_EQ(*read(), kBytes);
  EXPECT_EQ(asked().at(0).header("if-match"), "");
  EXPECT_EQ(asked().at(1).header("if-match"), "\"e\"");
  EXPECT_EQ(asked().at(1).header("range"), "bytes=4-7");
  // Replaced after the first piece: read from the front again.
  script({part_of(kBytes, 0, 4), error(412, "PreconditionFailed"), part_of("abc", 0, 3)});
  EXPECT_EQ(*read(), "abc");
  for (int i = 0; i < options_.max_tries; ++i)
    script({part_of(kBytes, 0, 4), error(412, "PreconditionFailed")});
  EXPECT_THAT(failure(ErrorCode::kConflict), HasSubstr("changed while it was read"));
}

TEST_F(S3Client, RefusalsSayWhatHelps) {
  store();
  script({error(403, "AccessDenied")});
  EXPECT_THAT(failure(ErrorCode::kDenied),
              AllOf(HasSubstr("AccessDenied: words"), HasSubstr("s3:GetObject")));
  script({error(404, "NoSuchKey")});
  EXPECT_THAT(failure(ErrorCode::kNotFound), HasSubstr("no object"));
  script({error(404, "NoSuchBucket")});
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig), HasSubstr("make the bucket"));
  script({error(403, "InvalidObjectState")});
  EXPECT_THAT(failure(ErrorCode::kUnsupported), HasSubstr("restore"));
  script({error(403, "SignatureDoesNotMatch")});
  EXPECT_THAT(failure(ErrorCode::kDenied), HasSubstr("secret access key"));
  // A 404 that is not about the object must not look like its absence.
  script({error(404, "NoSuchUniverse")});
  EXPECT_THAT(failure(ErrorCode::kInternal), HasSubstr("NoSuchUniverse"));
}

TEST_F(S3Client, ClockIsSetOnceByTheServers) {
  store();
  Answer skewed = error(403, "RequestTimeTooSkewed");
  skewed.headers.push_back({"Date", "Mon, 05 Jan 2026 09:00:00 GMT"});
  script({skewed, whole(), whole()});
  EXPECT_EQ(*read(), kBytes);
  EXPECT_EQ(asked().at(1).header("x-amz-date"), "20260105T090000Z");
  EXPECT_EQ(*read(), kBytes);
  EXPECT_EQ(asked().at(2).header("x-amz-date"), "20260105T090000Z") << "forgotten for the next";
  EXPECT_TRUE(waits_ms_.empty());
  skewed.headers.back().value = "Mon, 05 Jan 2026 10:00:00 GMT";
  Answer again = skewed;
  again.headers.back().value = "Mon, 05 Jan 2026 11:00:00 GMT";
  script({skewed, again});
  EXPECT_THAT(failure(ErrorCode::kDenied), HasSubstr("clock"));
}

TEST_F(S3Client, ExpiredKeysAreFetchedAnewOnce) {
  store();
  script({error(400, "ExpiredToken"), whole()});
  EXPECT_EQ(*read(), kBytes);
  EXPECT_THAT(asked().at(1).header("authorization"), HasSubstr("Credential=AKIA2/"));
  script({error(400, "ExpiredToken"), error(400, "ExpiredToken")});
  EXPECT_THAT(failure(ErrorCode::kDenied), HasSubstr("ExpiredToken"));
  // HEAD has no words: what may be about a session's keys is tried once with others.
  script({Answer{.status = 403}, marked("x")});
  EXPECT_TRUE(store_->stat("a/k"));
  keys_.token.clear();
  // Then GET is asked for the words.
  script({Answer{.status = 403}, error(403, "AccessDenied")});
  const auto denied = store_->stat("a/k");
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, ErrorCode::kDenied);
  EXPECT_THAT(to_line(denied.error()), HasSubstr("AccessDenied: words"));
}

TEST_F(S3Client, BucketElsewhereIsFoundByWhatS3Says) {
  store();
  Answer moved = error(301, "PermanentRedirect");
  moved.headers.push_back({"x-amz-bucket-region", "eu-north-1"});
  script({moved, whole(), whole()});
  EXPECT_EQ(*read(), kBytes);
  EXPECT_THAT(asked().at(1).header("authorization"), HasSubstr("/eu-north-1/s3/"));
  EXPECT_EQ(*read(), kBytes);
  EXPECT_THAT(asked().at(2).header("authorization"), HasSubstr("/eu-north-1/s3/"));
  script({error(400, "AuthorizationHeaderMalformed", "<Region>us-west-2</Region>"), whole()});
  EXPECT_EQ(*read(), kBytes);
  EXPECT_THAT(asked().back().header("authorization"), HasSubstr("/us-west-2/s3/"));
  script({error(301, "PermanentRedirect")});
  EXPECT_THAT(failure(ErrorCode::kInvalidConfig), HasSubstr("region"));
}

TEST_F(S3Client, CancelEndsTheTries) {
  store();
  script({[this](const Asked&) {
    cancel_.cancel("enough");
    return error(503, "SlowDown");
  }});
  EXPECT_THAT(failure(ErrorCode::kCancelled), HasSubstr("enough"));
}

TEST_F(S3Client, RemovingTwiceIsRemoving) {
  store();
  script({reset(), Answer{.status = 204}});
  EXPECT_TRUE(store_->remove("a/k"));
  EXPECT_EQ(asked().at(0).method, "DELETE");
  for (int i = 0; i < options_.max_tries; ++i) script({reset()});
  EXPECT_EQ(store_->remove("a/k").error().code, ErrorCode::kOutcomeUnknown);
  for (int i = 0; i < options_.max_tries; ++i) script({error(503, "SlowDown")});
  EXPECT_EQ(store_->remove("a/k").error().code, ErrorCode::kUnavailable);
}

// --- Listings ---------------------------------------------------------------------------------

Answer page(std::string_view contents, std::string_view token = "") {
  return {.body = fmt::format("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                              "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                              "<EncodingType>url</EncodingType>{}<IsTruncated>{}</IsTruncated>{}"
                              "</ListBucketResult>",
                              contents, token.empty() ? "false" : "true",
                              token.empty() ? std::string()
                                            : fmt::format("<NextContinuationToken>{}"
                                                          "</NextContinuationToken>",
                                                          token))};
}

std::string object(std::string_view encoded_key) {
  return fmt::format(
      "<Contents><Key>{}</Key><LastModified>2026-01-05T08:00:00.123Z</LastModified>"
      "<ETag>&quot;e&quot;</ETag><Size>5</Size></Contents>",
      encoded_key);
}

TEST_F(S3Client, ListingGivesNamesSizesAndVersions) {
  store();
  script({page(object("lake/a+b%2B%25.csv") + object("lake/%C3%A9"))});
  const auto found = store_->list("a b/", "a b/c d");
  ASSERT_TRUE(found) << to_line(found.error());
  EXPECT_THAT(found->entries,
              ElementsAre(Entry{"a b+%.csv", 5, *parse_instant("2026-01-05T08:00:00Z"), "e"},
                          Entry{"é", 5, *parse_instant("2026-01-05T08:00:00Z"), "e"}));
  EXPECT_TRUE(found->is_last);
  EXPECT_EQ(asked().at(0).target,
            "/bucket?encoding-type=url&list-type=2&prefix=lake%2Fa%20b%2F&"
            "start-after=lake%2Fa%20b%2Fc%20d");
}

TEST_F(S3Client, KeysThatAreNoNamesAreLeftOutAndEndNothing) {
  store();
  script({page(object("lake/") + object("lake/folder/") + object("lake/a//b"), "more+/="),
          page(object("lake/k"), "and more")});
  const auto found = store_->list("", "");
  ASSERT_TRUE(found) << to_line(found.error());
  ASSERT_EQ(found->entries.size(), 1U);
  EXPECT_EQ(found->entries[0].name, "k");
  EXPECT_FALSE(found->is_last);
  EXPECT_THAT(asked().at(1).target,
              AllOf(HasSubstr("continuation-token=more%2B%2F%3D"), Not(HasSubstr("start-after"))));
}

TEST_F(S3Client, ListingThatIsNoneIsAskedForAgain) {
  store();
  script({Answer{.body = "<ListBucketResult><IsTruncated>"}, Answer{.body = "{}"},
          page(object("lake/k"))});
  EXPECT_EQ(store_->list("", "")->entries.size(), 1U);
  const Answer typed{.body =
                         "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
                         "<ListBucketResult/>"};
  script({typed, typed, typed, typed});
  EXPECT_EQ(store_->list("", "").error().code, ErrorCode::kUnavailable);
}

// --- Addresses and options --------------------------------------------------------------------

class S3Address : public ScriptedS3 {
 protected:
  /// Asks AWS's host through a proxy that is the script: what was asked shows the URL. Plain HTTP,
  /// for a proxy does not see into TLS.
  ErrorCode refused(const std::string& uri) {
    const auto made = make_s3_storage(uri, options_, ground());
    return made ? ErrorCode::kInternal : made.error().code;
  }
  S3Ground ground() {
    return {.http = http_.get(),
            .credentials = &keys_,
            .clock = &clock_,
            .random = &random_,
            .wait = net::make_wait(),
            .cancel = &cancel_};
  }
};

TEST_F(S3Address, BucketStandsWhereItIsWanted) {
  http_ = *net::make_http({.ca_file = {}, .proxy = server_->url()}, net::Reach::anywhere());
  options_.endpoint = "http://s3.example.org:81";
  options_.max_tries = 1;
  for (const auto& [addressing, url] :
       {std::pair{Addressing::kAutomatic, "http://s3.example.org:81/bucket/lake/k%20%2B"},
        std::pair{Addressing::kPath, "http://s3.example.org:81/bucket/lake/k%20%2B"},
        std::pair{Addressing::kVirtualHost, "http://bucket.s3.example.org:81/lake/k%20%2B"}}) {
    options_.addressing = addressing;
    store();
    script({part_of(kBytes, 0, 10)});
    EXPECT_TRUE(store_->read("k +", Range::all()));
    EXPECT_EQ(asked().back().target, url);
  }
}

TEST_F(S3Address, WhatIsNoPlaceInABucketIsRefused) {
  for (const char* uri :
       {"s3:/bucket", "s3://", "s3:///a", "s3://AB", "s3://Bucket/a", "s3://a..b/x", "s3://buck_et",
        "s3://bucket//a", "s3://bucket/a//", "s3://bucket/../a"})
    EXPECT_EQ(refused(uri), ErrorCode::kInvalidConfig) << uri;
  options_.endpoint = "http://host/path";
  EXPECT_EQ(refused("s3://bucket"), ErrorCode::kInvalidConfig);
  options_.endpoint = "localhost:9000";
  EXPECT_EQ(refused("s3://bucket"), ErrorCode::kInvalidConfig);
}

TEST_F(S3Address, OptionsThatContradictAreRefused) {
  options_.part_bytes = 1 << 20;
  EXPECT_EQ(refused("s3://bucket"), ErrorCode::kInvalidConfig);
  options_.part_bytes = 5 << 20;
  options_.kms_key_id = "key";
  EXPECT_EQ(refused("s3://bucket"), ErrorCode::kInvalidConfig);
}

TEST_F(S3Address, KeyWithItsPrefixHasALimit) {
  store("s3://bucket/" + std::string(200, 'p'));
  EXPECT_EQ(store_->stat(std::string(900, 'n')).error().code, ErrorCode::kInvalidConfig);
}

}  // namespace
}  // namespace weir::storage
