#include "net/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http.h"
#include "testing/http_server.h"

namespace weir::net {
namespace {

using ::testing::HasSubstr;

std::string why(const std::string& text, const Reach& reach = Reach::outside()) {
  sockaddr_storage address{};
  auto& four = reinterpret_cast<sockaddr_in&>(address);
  auto& six = reinterpret_cast<sockaddr_in6&>(address);
  if (inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    address.ss_family = AF_INET;
  } else if (inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    address.ss_family = AF_INET6;
  } else {
    ADD_FAILURE() << text << " is no address";
  }
  const auto& generic = reinterpret_cast<const sockaddr&>(address);
  return std::string(why_out_of_reach(generic, reach).value_or(""));
}

TEST(Reach, OfAddressesThatNobodyElseShouldReachIsNone) {
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"127.0.0.1", "loopback"},
      {"127.255.255.254", "loopback"},
      {"10.0.0.1", "private"},
      {"172.16.0.1", "private"},
      {"172.31.255.255", "private"},
      {"192.168.1.1", "private"},
      {"100.64.0.1", "private"},
      {"169.254.0.1", "link"},
      {"169.254.169.254", "metadata"},
      {"169.254.170.2", "metadata"},
      {"100.100.100.200", "metadata"},
      {"168.63.129.16", "metadata"},
      {"0.0.0.0", "reserved"},
      {"0.1.2.3", "reserved"},
      {"192.0.0.8", "reserved"},
      {"192.0.2.1", "reserved"},
      {"198.19.0.1", "reserved"},
      {"203.0.113.9", "reserved"},
      {"224.0.0.1", "reserved"},
      {"240.0.0.1", "reserved"},
      {"255.255.255.255", "reserved"},
      {"::", "reserved"},
      {"::1", "loopback"},
      {"::7f00:1", "loopback"},
      {"::ffff:127.0.0.1", "loopback"},
      {"::ffff:10.1.2.3", "private"},
      {"::ffff:169.254.169.254", "metadata"},
      {"::ffff:0:192.168.0.1", "private"},
      {"64:ff9b::7f00:1", "loopback"},
      {"64:ff9b::a9fe:a9fe", "metadata"},
      {"64:ff9b:1::1", "reserved"},
      {"2002:7f00:1::", "loopback"},
      {"2002:c0a8:101::1", "private"},
      {"2001:0:0:0:0:0:80ff:fffe", "loopback"},
      {"fc00::1", "private"},
      {"fd12:3456::1", "private"},
      {"fd00:ec2::254", "metadata"},
      {"fd20:ce::254", "metadata"},
      {"fe80::1", "link"},
      {"febf::1", "link"},
      {"fec0::1", "reserved"},
      {"ff02::1", "reserved"},
      {"2001:db8::1", "reserved"},
      {"100::1", "reserved"}};
  for (const auto& [address, kind] : kCases) EXPECT_THAT(why(address), HasSubstr(kind)) << address;
}

TEST(Reach, OfTheInternetIsAll) {
  for (const char* address : {"1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.128.0.1",
                              "169.253.0.1", "192.169.0.1", "223.255.255.254", "2606:4700::1111",
                              "2002:808:808::1", "64:ff9b::808:808", "::ffff:8.8.8.8"})
    EXPECT_EQ(why(address), "") << address;
}

TEST(Reach, GrowsByWhatIsAllowedAndNeverToTheLinkOrMetadata) {
  const Reach both{.loopback = true, .private_networks = true};
  for (const char* address : {"127.0.0.1", "::1", "10.0.0.1", "fd12::1", "::ffff:127.0.0.1"})
    EXPECT_EQ(why(address, both), "") << address;
  for (const char* address :
       {"169.254.169.254", "169.254.1.1", "fd00:ec2::254", "fe80::1", "0.0.0.0"})
    EXPECT_NE(why(address, both), "") << address;
  EXPECT_NE(why("127.0.0.1", {.private_networks = true}), "");
  EXPECT_NE(why("10.0.0.1", {.loopback = true}), "");
}

/// Spellings of the own machine that a check of names would have to know.
TEST(Reach, IsJudgedBehindTheNameHoweverItIsSpelt) {
  const auto server = testing::start_http_server(
      [](const testing::Asked&) { return testing::Answer{.body = "secret"}; });
  const auto client = make_http({}, Reach::outside()).value();
  const Cancel never;
  for (const char* host :
       {"127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "017700000001", "0x7f000001",
        "127.0.0.1.", "[::ffff:127.0.0.1]", "0", "[::1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]"}) {
    Request request;
    request.url = fmt::format("http://{}:{}/", host, server->port());
    const auto response = client->send(request, never);
    ASSERT_FALSE(response) << host;
    // What curl does not take for a host never gets as far.
    EXPECT_TRUE(response.error().code == ErrorCode::kDenied ||
                response.error().code == ErrorCode::kUnavailable ||
                response.error().code == ErrorCode::kInvalidConfig)
        << host << " " << to_line(response.error());
  }
  EXPECT_TRUE(server->asked().empty());
  const auto allowed = make_http({}, {.loopback = true}).value();
  Request request;
  request.url = server->url();
  EXPECT_EQ(allowed->send(request, never)->body, "secret");
}

}  // namespace
}  // namespace weir::net
