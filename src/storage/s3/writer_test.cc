/// Writes whose answers are lost, late or wrong. What matters: a write that happened is never taken
/// for one that did not, nor the other way round.

#include "base/digest.h"
#include "storage/s3/scripted_s3_for_test.h"

namespace weir::storage {
namespace {

using ::testing::AllOf;
using testing::Answer;
using testing::Asked;
using ::testing::HasSubstr;

const Answer kDone{.headers = {{"ETag", "\"e\""}}};

class S3Writing : public ScriptedS3 {
 protected:
  Result<Written> write(Put mode) { return put(*store_, "k", "bytes", mode); }
  /// The write's own mark, as its request carried it.
  static std::string mark_in(const Asked& asked) { return asked.header("x-amz-meta-weir-write"); }
  Step remember_then(const Answer& answer) {
    return [this, answer](const Asked& asked) {
      mark_ = mark_in(asked);
      return answer;
    };
  }
  Step ours() {
    return [this](const Asked& asked) {
      EXPECT_EQ(asked.method, "HEAD");
      return marked(mark_);
    };
  }
  Step others() {
    return [](const Asked& asked) {
      EXPECT_EQ(asked.method, "HEAD");
      return marked("another");
    };
  }
  static Step nobodys() {
    return [](const Asked& asked) {
      EXPECT_EQ(asked.method, "HEAD");
      return Answer{.status = 404};
    };
  }
  ErrorCode code_of(const Result<Written>& written) {
    return written ? ErrorCode::kInternal : written.error().code;
  }
  std::string mark_;
};

TEST_F(S3Writing, ObjectCarriesItsDigestItsMarkAndWhatIsConfigured) {
  options_.encryption = Encryption::kKms;
  options_.kms_key_id = "alias/lake";
  options_.storage_class = "STANDARD_IA";
  store();
  script({kDone});
  const auto written = write(Put::kIfAbsent);
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(written->sha256, sha256_hex("bytes"));
  const Asked asked_for = asked().at(0);
  EXPECT_EQ(asked_for.method, "PUT");
  EXPECT_EQ(asked_for.body, "bytes");
  EXPECT_EQ(asked_for.header("if-none-match"), "*");
  EXPECT_EQ(asked_for.header("x-amz-content-sha256"), sha256_hex("bytes"));
  EXPECT_EQ(asked_for.header("x-amz-checksum-sha256"),
            "J3CJ2RwL308uaGK6fkoHYFEZQx9dE/cm3TUrBvGyBqk=");
  EXPECT_EQ(asked_for.header("x-amz-server-side-encryption"), "aws:kms");
  EXPECT_EQ(asked_for.header("x-amz-server-side-encryption-aws-kms-key-id"), "alias/lake");
  EXPECT_EQ(asked_for.header("x-amz-storage-class"), "STANDARD_IA");
  EXPECT_EQ(mark_in(asked_for).size(), 36U);
  script({kDone});
  ASSERT_TRUE(write(Put::kReplace));
  EXPECT_EQ(asked().at(1).header("if-none-match"), "");
  EXPECT_NE(mark_in(asked().at(1)), mark_in(asked_for));
}

TEST_F(S3Writing, LostAnswerAfterTheEffectIsASuccess) {
  store();
  script({remember_then(reset()), error(412, "PreconditionFailed"), ours()});
  EXPECT_TRUE(write(Put::kIfAbsent));
  // Also where S3 said so by a server's fault.
  script({remember_then(Answer{.status = 500}), error(412, "PreconditionFailed"), ours()});
  EXPECT_TRUE(write(Put::kIfAbsent));
}

TEST_F(S3Writing, LostAnswerAndAnothersObjectIsAlreadyThere) {
  store();
  script({reset(), error(412, "PreconditionFailed"), others()});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kAlreadyExists);
}

TEST_F(S3Writing, WhenAllAnswersAreLostReadingBackDecides) {
  store();
  for (const auto& [look, expected] :
       {std::pair{ours(), std::optional<ErrorCode>()},
        std::pair{others(), std::optional(ErrorCode::kAlreadyExists)},
        std::pair{nobodys(), std::optional(ErrorCode::kOutcomeUnknown)},
        std::pair{Step([](const Asked&) { return Answer{.status = 405}; }),
                  std::optional(ErrorCode::kOutcomeUnknown)}}) {
    script({reset(), reset(), reset(), remember_then(reset()), look});
    const auto written = write(Put::kIfAbsent);
    EXPECT_EQ(written.has_value(), !expected.has_value());
    if (expected) {
      EXPECT_EQ(code_of(written), *expected);
    }
  }
  // A replacement may have been replaced itself by now.
  script({reset(), reset(), reset(), remember_then(reset()), ours()});
  EXPECT_TRUE(write(Put::kReplace));
  script({reset(), reset(), reset(), reset(), others()});
  EXPECT_EQ(code_of(write(Put::kReplace)), ErrorCode::kOutcomeUnknown);
}

TEST_F(S3Writing, RefusedAtTheDoorNothingHappened) {
  store();
  for (int i = 0; i < options_.max_tries; ++i) script({error(503, "SlowDown")});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kUnavailable);
  script({error(403, "AccessDenied")});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kDenied);
  // But not where a try before may have acted.
  script({reset(), error(403, "AccessDenied"), nobodys()});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kOutcomeUnknown);
}

TEST_F(S3Writing, BucketsFaultOnTheWayMayHaveActed) {
  store();
  for (int i = 0; i < options_.max_tries; ++i) script({Answer{.status = 502}});
  script({nobodys()});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kOutcomeUnknown);
}

TEST_F(S3Writing, ConflictOfConditionalWritesIsTriedAgain) {
  store();
  script({error(409, "ConditionalRequestConflict"), kDone});
  EXPECT_TRUE(write(Put::kIfAbsent));
  EXPECT_EQ(waits_ms_.size(), 1U);
  for (int i = 0; i < options_.max_tries; ++i) script({error(409, "ConditionalRequestConflict")});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kConflict);
}

TEST_F(S3Writing, TakenNameIsToldAlsoToWhoMayNotRead) {
  store();
  script({error(412, "PreconditionFailed"), others()});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kAlreadyExists);
  keys_.token.clear();
  script({error(412, "PreconditionFailed"), Answer{.status = 403}});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kAlreadyExists);
  script({error(412, "PreconditionFailed"), nobodys()});
  EXPECT_EQ(code_of(write(Put::kIfAbsent)), ErrorCode::kConflict);
}

TEST_F(S3Writing, DamagedOnItsWayItIsSentAgain) {
  store();
  script({error(400, "XAmzContentSHA256Mismatch"), kDone});
  EXPECT_TRUE(write(Put::kReplace));
}

// --- On condition of a version ------------------------------------------------------------------

class S3Replacing : public S3Writing {
 protected:
  static constexpr const char* kProbe = "/bucket/lake/.weir-tmp-if-match";

  void SetUp() override { store(); }
  Result<Written> replace() { return put_if_version(*store_, "k", "bytes", "v1"); }
  /// The question whether the server knows the condition, which comes once, before all else.
  static Step asked_for_it(const Answer& answer) {
    return [answer](const Asked& asked) {
      EXPECT_EQ(asked.method, "PUT");
      EXPECT_EQ(asked.target, kProbe);
      EXPECT_EQ(asked.body, "");
      EXPECT_THAT(asked.header("if-match"), ::testing::StartsWith("\"0000"));
      return answer;
    };
  }
  void server_knows_it() { script({asked_for_it(error(404, "NoSuchKey"))}); }
};

TEST_F(S3Replacing, SaysWhichVersionIsToBeThere) {
  server_knows_it();
  script({kDone, kDone});
  ASSERT_TRUE(replace());
  EXPECT_EQ(asked().at(1).target, "/bucket/lake/k");
  EXPECT_EQ(asked().at(1).header("if-match"), "\"v1\"");
  EXPECT_EQ(asked().at(1).header("if-none-match"), "");
  EXPECT_EQ(mark_in(asked().at(1)).size(), 36U);
  ASSERT_TRUE(replace()) << "and the server is not asked again";
}

TEST_F(S3Replacing, AnotherVersionIsAConflict) {
  server_knows_it();
  script({error(412, "PreconditionFailed"), others()});
  EXPECT_EQ(code_of(replace()), ErrorCode::kConflict);
  // Gone before S3 looked, or before we did; or not ours to read.
  script({error(404, "NoSuchKey")});
  EXPECT_EQ(code_of(replace()), ErrorCode::kConflict);
  script({error(412, "PreconditionFailed"), nobodys()});
  EXPECT_EQ(code_of(replace()), ErrorCode::kConflict);
  keys_.token.clear();
  script({error(412, "PreconditionFailed"), Answer{.status = 403}});
  EXPECT_EQ(code_of(replace()), ErrorCode::kConflict);
  script({error(404, "NoSuchBucket")});
  EXPECT_EQ(code_of(replace()), ErrorCode::kInvalidConfig) << "another 404 is another thing";
}

TEST_F(S3Replacing, WritersAtTheSameTimeTryAgain) {
  server_knows_it();
  script({error(409, "ConditionalRequestConflict"), kDone});
  EXPECT_TRUE(replace());
  for (int i = 0; i < options_.max_tries; ++i) script({error(409, "ConditionalRequestConflict")});
  EXPECT_EQ(code_of(replace()), ErrorCode::kConflict);
}

TEST_F(S3Replacing, LostAnswerIsDecidedByTheMark) {
  server_knows_it();
  script({remember_then(reset()), error(412, "PreconditionFailed"), ours()});
  EXPECT_TRUE(replace());
  script({remember_then(Answer{.status = 500}), error(412, "PreconditionFailed"), ours()});
  EXPECT_TRUE(replace());
  // Ours may have been there, and have been replaced: who cannot tell must not say "conflict".
  script({reset(), error(412, "PreconditionFailed"), others()});
  EXPECT_EQ(code_of(replace()), ErrorCode::kOutcomeUnknown);
  script({reset(), error(404, "NoSuchKey"), nobodys()});
  EXPECT_EQ(code_of(replace()), ErrorCode::kOutcomeUnknown);
  script({reset(), reset(), reset(), remember_then(reset()), ours()});
  EXPECT_TRUE(replace());
  script({reset(), reset(), reset(), reset(), others()});
  EXPECT_EQ(code_of(replace()), ErrorCode::kOutcomeUnknown);
}

TEST_F(S3Replacing, RefusedAtTheDoorNothingHappened) {
  server_knows_it();
  script({error(503, "SlowDown"), kDone});
  EXPECT_TRUE(replace());
  for (int i = 0; i < options_.max_tries; ++i) script({error(503, "SlowDown")});
  EXPECT_EQ(code_of(replace()), ErrorCode::kUnavailable);
}

TEST_F(S3Replacing, ServerThatIgnoresTheConditionIsFoundOutBeforeItDoesHarm) {
  for (int i = 0; i < 2; ++i) {
    script({asked_for_it(kDone), [](const Asked& asked) {
              EXPECT_EQ(asked.method, "DELETE");
              EXPECT_EQ(asked.target, kProbe);
              return Answer{.status = 204};
            }});
    const auto refused = replace();
    EXPECT_EQ(code_of(refused), ErrorCode::kUnsupported);
    EXPECT_THAT(to_line(refused.error()), HasSubstr("If-Match"));
  }
  script({asked_for_it(error(501, "NotImplemented"))});
  EXPECT_EQ(code_of(replace()), ErrorCode::kUnsupported);
  // No answer is no knowledge; but nothing was replaced.
  script({reset(), reset(), reset(), reset()});
  EXPECT_EQ(code_of(replace()), ErrorCode::kUnavailable);
}

// --- Multipart uploads ------------------------------------------------------------------------

class S3Parts : public S3Writing {
 protected:
  static constexpr size_t kPart = size_t{5} << 20;

  void SetUp() override {
    options_.part_bytes = static_cast<int64_t>(kPart);
    store();
  }
  Result<Written> write_large(Put mode) {
    return put(*store_, "k", std::string(kPart + 7, 'x'), mode);
  }
  Step begun() {
    return remember_then({.body = "<InitiateMultipartUploadResult><UploadId>u/1+</UploadId>"
                                  "</InitiateMultipartUploadResult>"});
  }
  static Step completed(const Answer& answer) {
    return [answer](const Asked& asked) {
      EXPECT_EQ(asked.method, "POST");
      EXPECT_THAT(asked.target, HasSubstr("?uploadId=u%2F1%2B"));
      return answer;
    };
  }
  static Step aborted() {
    return [](const Asked& asked) {
      EXPECT_EQ(asked.method, "DELETE");
      EXPECT_THAT(asked.target, HasSubstr("?uploadId=u%2F1%2B"));
      return Answer{.status = 204};
    };
  }
  const Answer whole_{.body =
                          "<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag>"
                          "</CompleteMultipartUploadResult>"};
};

TEST_F(S3Parts, LargeObjectGoesInPartsAndIsCompletedOnCondition) {
  script({begun(), kDone, kDone, completed(whole_)});
  const auto written = write_large(Put::kIfAbsent);
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(written->size_bytes, static_cast<int64_t>(kPart + 7));
  const auto all = asked();
  EXPECT_EQ(all.at(0).target, "/bucket/lake/k?uploads=");
  EXPECT_EQ(all.at(0).header("x-amz-checksum-algorithm"), "SHA256");
  EXPECT_THAT(all.at(1).target, HasSubstr("partNumber=1&"));
  EXPECT_EQ(all.at(1).body.size(), kPart);
  EXPECT_THAT(all.at(2).target, HasSubstr("partNumber=2&"));
  EXPECT_EQ(all.at(2).body.size(), 7U);
  EXPECT_EQ(all.at(2).header("x-amz-content-sha256"), sha256_hex("xxxxxxx"));
  EXPECT_EQ(all.at(3).header("if-none-match"), "*");
  EXPECT_THAT(
      all.at(3).body,
      AllOf(HasSubstr("<PartNumber>2</PartNumber><ETag>&quot;e&quot;</ETag><ChecksumSHA256>" +
                      all.at(2).header("x-amz-checksum-sha256"))));
}

TEST_F(S3Parts, LargeObjectIsCompletedOnConditionOfAVersion) {
  script({begun(), kDone, error(404, "NoSuchKey"), kDone, completed(whole_)});
  ASSERT_TRUE(put_if_version(*store_, "k", std::string(kPart + 7, 'x'), "v1"));
  EXPECT_EQ(asked().at(4).header("if-match"), "\"v1\"");
  script({begun(), kDone, kDone, completed(error(412, "PreconditionFailed")), others(), aborted()});
  EXPECT_EQ(code_of(put_if_version(*store_, "k", std::string(kPart + 7, 'x'), "v1")),
            ErrorCode::kConflict);
}

TEST_F(S3Parts, ObjectOfExactlyOnePartIsOnePut) {
  script({kDone});
  ASSERT_TRUE(put(*store_, "k", std::string(kPart, 'x'), Put::kReplace));
}

TEST_F(S3Parts, FailedUploadIsAborted) {
  script({begun(), error(403, "AccessDenied"), aborted()});
  EXPECT_EQ(code_of(write_large(Put::kReplace)), ErrorCode::kDenied);
  script({begun(), kDone, kDone, completed(error(412, "PreconditionFailed")), others(), aborted()});
  EXPECT_EQ(code_of(write_large(Put::kIfAbsent)), ErrorCode::kAlreadyExists);
  // Its parts are gone then, so only the caller can write it again.
  script({begun(), kDone, kDone, completed(error(409, "ConditionalRequestConflict")), aborted()});
  EXPECT_EQ(code_of(write_large(Put::kIfAbsent)), ErrorCode::kConflict);
  script({begun(), kDone, aborted()});
  const auto writer = store_->create("k");
  ASSERT_TRUE((*writer)->append(std::string(kPart + 7, 'x')));
  (*writer)->abort();
}

TEST_F(S3Parts, UploadOutlivesItsKeys) {
  script({begun(), error(400, "ExpiredToken"), kDone, kDone, error(400, "ExpiredToken"),
          completed(whole_)});
  EXPECT_TRUE(write_large(Put::kIfAbsent));
  EXPECT_THAT(asked().at(0).header("authorization"), HasSubstr("Credential=AKIA1/"));
  EXPECT_THAT(asked().at(2).header("authorization"), HasSubstr("Credential=AKIA2/"));
  EXPECT_THAT(asked().at(5).header("authorization"), HasSubstr("Credential=AKIA3/"));
}

TEST_F(S3Parts, UploadIsAbortedAfterACancel) {
  script({begun(), kDone, aborted()});
  const auto writer = store_->create("k");
  ASSERT_TRUE((*writer)->append(std::string(kPart + 7, 'x')));
  cancel_.cancel("enough");
  EXPECT_EQ(code_of((*writer)->commit(Put::kReplace)), ErrorCode::kCancelled);
}

TEST_F(S3Parts, LostPartIsSentAgain) {
  script({begun(), reset(), kDone, Answer{.status = 500}, kDone, completed(whole_)});
  EXPECT_TRUE(write_large(Put::kReplace));
}

TEST_F(S3Parts, ErrorWithinAnAnswer200IsAnError) {
  const Answer within{.body = error(200, "InternalError").body};
  script({begun(), kDone, kDone, completed(within), completed(whole_)});
  EXPECT_TRUE(write_large(Put::kIfAbsent));
  script({begun(), kDone, kDone, completed({.body = error(200, "InvalidPart").body}), aborted()});
  EXPECT_EQ(code_of(write_large(Put::kIfAbsent)), ErrorCode::kInternal);
}

TEST_F(S3Parts, LostAnswerOfACompletionIsDecidedByReadingBack) {
  for (const Put mode : {Put::kIfAbsent, Put::kReplace}) {
    script(
        {begun(), kDone, kDone, completed(reset()), completed(error(404, "NoSuchUpload")), ours()});
    EXPECT_TRUE(write_large(mode));
  }
  // Open: the upload is not aborted, for it may be about to become the object.
  script({begun(), kDone, kDone, completed(reset()), completed(error(404, "NoSuchUpload")),
          nobodys()});
  EXPECT_EQ(code_of(write_large(Put::kIfAbsent)), ErrorCode::kOutcomeUnknown);
}

}  // namespace
}  // namespace weir::storage
