#include "storage/s3_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::storage {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(S3Settings, OptionsOfAConnectionAreRead) {
  const auto settings = read_s3_settings({{"uri", "s3://lake/raw"},
                                          {"endpoint", "https://s3.example.org"},
                                          {"region", "eu-west-1"},
                                          {"addressing", "path"},
                                          {"encryption", "kms"},
                                          {"kms_key_id", "alias/lake"},
                                          {"requester_pays", "true"},
                                          {"max_tries", 3},
                                          {"deadline", "90s"},
                                          {"part_bytes", 8 << 20},
                                          {"profile", "work"},
                                          {"role_arn", "arn:aws:iam::1:role/lake"},
                                          {"ca_file", "ca.pem"}});
  ASSERT_TRUE(settings) << to_line(settings.error());
  EXPECT_EQ(settings->uri, "s3://lake/raw");
  EXPECT_EQ(settings->options.endpoint, "https://s3.example.org");
  EXPECT_EQ(settings->options.addressing, Addressing::kPath);
  EXPECT_EQ(settings->options.encryption, Encryption::kKms);
  EXPECT_TRUE(settings->options.is_requester_pays);
  EXPECT_EQ(settings->options.max_tries, 3);
  EXPECT_EQ(settings->options.deadline_ms, 90'000);
  EXPECT_EQ(settings->options.part_bytes, 8 << 20);
  EXPECT_EQ(settings->profile, "work");
}

TEST(S3Settings, WhatIsWrongIsNamed) {
  for (const auto& [options, words] :
       {std::pair{Json{{"uri", "s3://lake"}, {"regoin", "x"}}, "'regoin'"},
        std::pair{Json{{"uri", "s3://lake"}, {"addressing", "host"}}, "virtual_host"},
        std::pair{Json{{"uri", "s3://lake"}, {"max_tries", 0}}, "'max_tries'"},
        std::pair{Json{{"uri", "s3://lake"}, {"part_bytes", 1}}, "'part_bytes'"},
        std::pair{Json{{"uri", "s3://lake"}, {"deadline", "soon"}}, "'deadline'"},
        std::pair{Json{{"uri", "s3://lake"}, {"requester_pays", "yes"}}, "'requester_pays'"},
        std::pair{Json{{"uri", "lake"}}, "'lake'"}, std::pair{Json::object(), "needs a uri"}}) {
    const auto settings = read_s3_settings(options);
    ASSERT_FALSE(settings) << words;
    EXPECT_EQ(settings.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(to_line(settings.error()), HasSubstr(words));
  }
}

TEST(S3Settings, EnvironmentFillsInWhatIsNotSaid) {
  const auto environment = make_fixed_environment({{"AWS_ENDPOINT_URL", "http://all:1"},
                                                   {"AWS_ENDPOINT_URL_S3", "http://s3:1"},
                                                   {"AWS_REGION", "eu-west-1"},
                                                   {"AWS_CA_BUNDLE", "ca.pem"}});
  S3Settings settings;
  ASSERT_TRUE(add_environment(settings, *environment));
  EXPECT_EQ(settings.options.endpoint, "http://s3:1");
  EXPECT_EQ(settings.options.region, "eu-west-1");
  EXPECT_EQ(settings.ca_file, "ca.pem");
  S3Settings said;
  said.options.endpoint = "http://mine:1";
  said.options.region = "us-west-2";
  said.ca_file = "my.pem";
  ASSERT_TRUE(add_environment(said, *environment));
  EXPECT_EQ(said.options.endpoint, "http://mine:1");
  EXPECT_EQ(said.options.region, "us-west-2");
  EXPECT_EQ(said.ca_file, "my.pem");
}

TEST(S3Settings, PlaceHoldsForItselfAndBelow) {
  EXPECT_TRUE(is_at_or_below("s3://lake/raw", "s3://lake/raw"));
  EXPECT_TRUE(is_at_or_below("s3://lake/raw/x", "s3://lake/raw/"));
  EXPECT_FALSE(is_at_or_below("s3://lake/rawer", "s3://lake/raw"));
  EXPECT_FALSE(is_at_or_below("s3://lake", "s3://lake/raw"));
}

}  // namespace
}  // namespace weir::storage
