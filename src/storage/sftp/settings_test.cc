#include "storage/sftp_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/sftp/address.h"

namespace weir::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kFingerprint = "SHA256:" + std::string(43, 'f');

Json with(std::string_view name, Json value) {
  Json options = {{"uri", "sftp://host/in"}, {"user", "shop"}};
  options[name] = std::move(value);
  return options;
}

TEST(SftpSettings, OptionsOfAConnectionAreRead) {
  const auto settings = read_sftp_settings({{"uri", "sftp://partner.example:2222/in"},
                                            {"user", "shop"},
                                            {"host_key", {kFingerprint, kFingerprint}},
                                            {"private_key", "secret://partner#key"},
                                            {"passphrase", "secret://partner#words"},
                                            {"connect_timeout", "5s"},
                                            {"stall_timeout", "1m"},
                                            {"max_tries", 3},
                                            {"deadline", "90s"}});
  ASSERT_TRUE(settings) << to_line(settings.error());
  EXPECT_EQ(settings->uri, "sftp://partner.example:2222/in");
  EXPECT_EQ(settings->options.user, "shop");
  EXPECT_THAT(settings->options.host_keys, ElementsAre(kFingerprint, kFingerprint));
  EXPECT_EQ(settings->private_key, "secret://partner#key");
  EXPECT_EQ(settings->options.connect_timeout_ms, 5'000);
  EXPECT_EQ(settings->options.stall_timeout_ms, 60'000);
  EXPECT_EQ(settings->options.max_tries, 3);
  EXPECT_EQ(settings->options.deadline_ms, 90'000);
}

TEST(SftpSettings, WhatIsWrongIsNamed) {
  for (const auto& [options, words] :
       {std::pair{with("hostkey", kFingerprint), "'hostkey'"},
        std::pair{with("host_key", "SHA256:short"), "is no fingerprint"},
        std::pair{with("host_key", "MD5:00:11"), "is no fingerprint"},
        std::pair{with("uri", "sftp://shop@host/in"), "it names a user"},
        std::pair{with("uri", "sftp://host:0/in"), "its port is none"},
        std::pair{with("uri", "sftp://host/a/../b"), "a segment that no folder has"},
        std::pair{with("uri", "ftp://host/a"), "sftp://"},
        std::pair{with("user", ""), "needs a user"},
        std::pair{Json{{"user", "shop"}}, "needs a uri"}}) {
    const auto settings = read_sftp_settings(options);
    ASSERT_FALSE(settings) << words;
    EXPECT_EQ(settings.error().code, ErrorCode::kInvalidConfig);
    EXPECT_THAT(to_line(settings.error()), HasSubstr(words));
  }
}

TEST(SftpSettings, ASecretInClearIsRefusedAndNotShown) {
  for (const std::string_view name : {"password", "private_key", "passphrase"}) {
    const auto settings = read_sftp_settings(with(name, "hunter2"));
    ASSERT_FALSE(settings) << name;
    EXPECT_THAT(to_line(settings.error()), HasSubstr("holds a secret in clear"));
    EXPECT_THAT(to_line(settings.error()), Not(HasSubstr("hunter2")));
  }
}

TEST(SftpSettings, AnAddressHasHostPortAndFolder) {
  struct Case {
    std::string uri;
    std::string host;
    int port;
    std::string root;
  };
  for (const auto& [uri, host, port, root] :
       {Case{"sftp://host", "host", 22, "/"}, Case{"sftp://host/", "host", 22, "/"},
        Case{"sftp://host:2222/a/b/", "host", 2222, "/a/b"},
        Case{"sftp://[::1]:2222/a", "::1", 2222, "/a"}, Case{"sftp://[::1]", "::1", 22, "/"},
        Case{"sftp://host/~", "host", 22, "."}, Case{"sftp://host/~/a", "host", 22, "./a"}}) {
    const auto address = sftp::Address::parse(uri);
    ASSERT_TRUE(address) << to_line(address.error());
    EXPECT_EQ(address->host, host) << uri;
    EXPECT_EQ(address->port, port) << uri;
    EXPECT_EQ(address->root, root) << uri;
  }
}

}  // namespace
}  // namespace weir::storage
