/// Objects that S3 copies by itself: what it is asked, and what happens where it does not.

#include "storage/moving.h"
#include "storage/s3/scripted_s3_for_test.h"

namespace weir::storage {
namespace {

using testing::Answer;
using testing::Asked;
using ::testing::HasSubstr;

constexpr std::string_view kListed = "Mon, 05 Jan 2026 08:00:00 GMT";

class S3Copying : public ScriptedS3 {
 protected:
  /// Of 12 bytes, and how it looks to HEAD.
  const Entry entry_{"in/a b.csv", 12, *parse_instant("2026-01-05T08:00:00Z"), "v1"};
  static Answer looks(std::string_view version) {
    return {.headers = {{"ETag", fmt::format("\"{}\"", version)},
                        {"Last-Modified", std::string(kListed)}},
            .body = "twelve bytes"};
  }
  const Answer begun_{.body = "<R><UploadId>u</UploadId></R>"};
  static Answer part(std::string_view etag) {
    return {.body = fmt::format("<CopyPartResult><ETag>\"{}\"</ETag></CopyPartResult>", etag)};
  }
  const Answer done_{.body = "<CompleteMultipartUploadResult/>"};
  const Answer gone_{.status = 204};

  /// From a bucket of another name to `k`, which is new.
  Result<Written> copy() {
    store();
    auto other = std::move(store_);
    Storage& target = store("s3://other/lake");
    return copy_object(*other, entry_, target, "k", Put::kIfAbsent, cancel_);
  }
};

TEST_F(S3Copying, PartsAreMadeOfTheVersionThatWasListed) {
  options_.copy_part_bytes = 5;
  script({begun_, part("1"), part("2"), part("3"), looks("v1"), done_});
  const auto written = copy();
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(written->size_bytes, 12);
  EXPECT_EQ(written->sha256, "");
  const auto all = asked();
  EXPECT_EQ(all[0].header("x-amz-checksum-algorithm"), "") << "S3 would want it of each part";
  const std::vector<std::string> ranges = {"bytes=0-4", "bytes=5-9", "bytes=10-11"};
  for (size_t i = 0; i < ranges.size(); ++i) {
    EXPECT_EQ(all[i + 1].header("x-amz-copy-source"), "/bucket/lake/in/a%20b.csv");
    EXPECT_EQ(all[i + 1].header("x-amz-copy-source-if-match"), "\"v1\"");
    EXPECT_EQ(all[i + 1].header("x-amz-copy-source-range"), ranges[i]);
    EXPECT_THAT(all[i + 1].target, HasSubstr(fmt::format("/other/lake/k?partNumber={}", i + 1)));
    EXPECT_THAT(all.back().body,
                HasSubstr(fmt::format("<PartNumber>{}</PartNumber><ETag>", i + 1)));
  }
  EXPECT_EQ(all.back().header("if-none-match"), "*");
}

TEST_F(S3Copying, WholeObjectIsCopiedWithoutARange) {
  script({begun_, part("1"), looks("v1"), done_});
  ASSERT_TRUE(copy());
  EXPECT_EQ(asked().at(1).header("x-amz-copy-source-range"), "");
}

TEST_F(S3Copying, ChangedObjectLeavesNothing) {
  script({begun_, error(412, "PreconditionFailed"), gone_});
  const auto refused = copy();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable) << to_line(refused.error());
  EXPECT_THAT(to_line(refused.error()), HasSubstr("'in/a b.csv' in 's3://bucket/lake' changed"));
  // A server that takes no condition is found out by another look.
  script({begun_, part("1"), looks("v2"), gone_});
  const auto late = copy();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kUnavailable) << to_line(late.error());
  EXPECT_EQ(asked().back().method, "DELETE") << "the upload, so that no part is paid for";
}

TEST_F(S3Copying, NameThatIsTakenStaysAsItIs) {
  script(
      {begun_, part("1"), looks("v1"), error(412, "PreconditionFailed"), marked("another"), gone_});
  const auto refused = copy();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kAlreadyExists) << to_line(refused.error());
}

TEST_F(S3Copying, WhereS3DoesNotTheBytesAreReadAndWritten) {
  for (const auto& refusal :
       {error(403, "AccessDenied"), error(501, "NotImplemented"), error(404, "NoSuchBucket")}) {
    script(
        {begun_, refusal, gone_, looks("v1"), looks("v1"), Answer{.headers = {{"ETag", "\"e\""}}}});
    const auto written = copy();
    ASSERT_TRUE(written) << to_line(written.error());
    EXPECT_EQ(written->size_bytes, 12);
    EXPECT_EQ(written->sha256.size(), 64U);
    EXPECT_EQ(asked().back().body, "twelve bytes");
  }
}

TEST_F(S3Copying, ServerThatIsAwayIsNotAskedForTheBytesToo) {
  for (int i = 0; i < options_.max_tries + 1; ++i)
    script({i == 0 ? begun_ : error(503, "SlowDown")});
  script({gone_});
  const auto refused = copy();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable) << to_line(refused.error());
}

TEST_F(S3Copying, ObjectOfAnotherServerIsReadAndWritten) {
  const auto source = make_memory_storage();
  ASSERT_TRUE(put(*source, "k", "x", Put::kReplace));
  script({Answer{.headers = {{"ETag", "\"e\""}}}});
  const auto written =
      copy_object(*source, *source->stat("k"), store(), "k", Put::kReplace, cancel_);
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(asked().back().body, "x");
}

}  // namespace
}  // namespace weir::storage
