/// Whole objects as they come over the line: what S3 is asked, and that each byte is taken once
/// where an answer breaks.

#include "storage/read_through.h"
#include "storage/s3/scripted_s3_for_test.h"

namespace weir::storage {
namespace {

using testing::Answer;
using testing::Asked;
using testing::Ending;
using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

class S3Streaming : public ScriptedS3 {
 protected:
  /// What `size` bytes of an object are; no two pieces of it are alike.
  static std::string bytes_of(int64_t size) {
    std::string bytes;
    while (std::ssize(bytes) < size) bytes += fmt::format("{},", bytes.size());
    bytes.resize(static_cast<size_t>(size));
    return bytes;
  }
  static Answer whole(const std::string& bytes, Ending ending = Ending::kWhole) {
    return {.headers = {{"ETag", "\"e\""}}, .body = bytes, .ending = ending};
  }
  Entry entry_of(const std::string& bytes) { return {"a/k", std::ssize(bytes), clock_.now, "e"}; }
  /// What was taken; the error stands beside it.
  Status read(const std::string& bytes) {
    store();
    const auto came =
        read_through(*store_, entry_of(bytes), cancel_, [this](std::string_view more) {
          taken_ += more;
          return refusal_;
        });
    if (!came) return std::unexpected(came.error());
    EXPECT_EQ(*came, std::ssize(bytes));
    return {};
  }
  void expect_failure(const std::string& bytes, ErrorCode code, std::string_view words) {
    const Status done = read(bytes);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, code) << to_line(done.error());
    EXPECT_THAT(to_line(done.error()), HasSubstr(words));
  }

  std::string taken_;
  Status refusal_;
};

TEST_F(S3Streaming, ObjectUpToSixteenMiBComesInOneAnswerOfItsVersion) {
  const std::string bytes = bytes_of(16 * kMiB);
  script({whole(bytes)});
  ASSERT_TRUE(read(bytes));
  EXPECT_TRUE(taken_ == bytes);
  EXPECT_EQ(asked()[0].header("range"), "");
  EXPECT_EQ(asked()[0].header("if-match"), "\"e\"");
}

TEST_F(S3Streaming, AnswerThatBreaksGoesOnWhereItWas) {
  const std::string bytes = bytes_of(3 * kMiB);
  script({whole(bytes, Ending::kTruncated), reset(), error(503, "SlowDown"),
          [&](const Asked&) { return whole(bytes); }});
  ASSERT_TRUE(read(bytes));
  EXPECT_TRUE(taken_ == bytes) << taken_.size() << " bytes";
}

TEST_F(S3Streaming, LargerObjectComesInRangesInOrder) {
  const std::string bytes = bytes_of(17 * kMiB);
  for (int i = 0; i < 5; ++i) {
    script({[&](const Asked& get) {
      int64_t from = 0;
      int64_t last = 0;
      EXPECT_EQ(std::sscanf(get.header("range").c_str(), "bytes=%ld-%ld", &from, &last), 2);
      EXPECT_EQ(get.header("if-match"), "\"e\"");
      return part_of(bytes, static_cast<size_t>(from), static_cast<size_t>(last - from + 1));
    }});
  }
  ASSERT_TRUE(read(bytes));
  EXPECT_TRUE(taken_ == bytes);
}

TEST_F(S3Streaming, ServerWithoutRangesGivesAllTheSame) {
  const std::string bytes = bytes_of(17 * kMiB);
  // Each piece is asked for twice: as it comes, and as read() does it.
  for (int i = 0; i < 10; ++i) script({whole(bytes)});
  ASSERT_TRUE(read(bytes));
  EXPECT_TRUE(taken_ == bytes);
}

TEST_F(S3Streaming, ObjectOfAnotherVersionIsAConflict) {
  script({error(412, "PreconditionFailed")});
  expect_failure("twelve bytes", ErrorCode::kConflict, "'a/k' in 's3://bucket/lake' changed");
  script({Answer{.headers = {{"ETag", "\"other\""}}, .body = "other  bytes"}});
  expect_failure("twelve bytes", ErrorCode::kConflict, "changed while it was read");
  for (const std::string body : {"more than twelve bytes", "few bytes"}) {
    script({whole(body)});
    expect_failure("twelve bytes", ErrorCode::kConflict, "changed while it was read");
  }
}

TEST_F(S3Streaming, WhatIsNotThereIsNotFound) {
  script({error(404, "NoSuchKey")});
  expect_failure("twelve bytes", ErrorCode::kNotFound, "no object 'a/k'");
}

TEST_F(S3Streaming, RefusalOfWhoTakesIsGivenAndNotTriedAgain) {
  refusal_ = fail(ErrorCode::kUnavailable, "no space on the other side");
  script({whole("twelve bytes")});
  expect_failure("twelve bytes", ErrorCode::kUnavailable, "no space on the other side");
}

TEST_F(S3Streaming, CancellationEndsIt) {
  cancel_.cancel("stopped");
  expect_failure("twelve bytes", ErrorCode::kCancelled, "");
}

}  // namespace
}  // namespace weir::storage
