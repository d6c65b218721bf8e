/// AWS's published examples: "Signature Calculations for the Authorization Header" of the S3 API
/// reference, and cases of the suite `aws-sig-v4-test-suite`. Where WEIR_SIGV4_SUITE names a folder
/// with that whole suite, every case in it is tried.

#include "net/sigv4.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/instant.h"
#include "net/url.h"

namespace weir::net {
namespace {

using ::testing::HasSubstr;

std::string authorization_of(Request request, const Credentials& credentials,
                             const Signing& signing, std::string_view payload_sha256) {
  const auto signed_well = sign(request, credentials, signing, payload_sha256);
  if (!signed_well) return to_line(signed_well.error());
  const auto* value = find_header(request.headers, "authorization");
  return value == nullptr ? "none" : *value;
}

std::string signature_in(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

// --- The examples of the S3 API reference ---------------------------------------------------

const Credentials kExample{.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                           .secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                           .session_token = {},
                           .source = {}};
const Signing kS3{.region = "us-east-1",
                  .service = "s3",
                  .at_us = *parse_instant("2013-05-24T00:00:00Z"),
                  .path = PathForm::kAsSent};

std::string s3_authorization(std::string method, const std::string& target, Headers headers,
                             std::string_view body) {
  const std::string sha256 = sha256_hex(body);
  Request request;
  request.method = std::move(method);
  request.url = "https://examplebucket.s3.amazonaws.com" + target;
  request.headers = std::move(headers);
  request.headers.push_back({"x-amz-content-sha256", sha256});
  return authorization_of(std::move(request), kExample, kS3, sha256);
}

TEST(SigV4, GetOfARangeIsSignedAsInTheReference) {
  EXPECT_EQ(s3_authorization("GET", "/test.txt", {{"Range", "bytes=0-9"}}, ""),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, PutWithAnEncodedNameIsSignedAsInTheReference) {
  EXPECT_EQ(signature_in(s3_authorization("PUT", "/test%24file.text",
                                          {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                           {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                                          "Welcome to Amazon S3.")),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, ParameterWithoutValueIsSignedAsInTheReference) {
  EXPECT_EQ(signature_in(s3_authorization("GET", "/?lifecycle", {}, "")),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(SigV4, ListingIsSignedAsInTheReference) {
  EXPECT_EQ(signature_in(s3_authorization("GET", "/?max-keys=2&prefix=J", {}, "")),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

// --- Cases of the general suite --------------------------------------------------------------

const Credentials kSuite{.access_key_id = "AKIDEXAMPLE",
                         .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                         .session_token = {},
                         .source = {}};
const Signing kService{
    .region = "us-east-1", .service = "service", .at_us = *parse_instant("2015-08-30T12:36:00Z")};

std::string suite_signature(std::string method, const std::string& target, Headers headers = {},
                            std::string_view body = "") {
  Request request;
  request.method = std::move(method);
  request.url = "https://example.amazonaws.com" + target;
  request.headers = std::move(headers);
  return signature_in(authorization_of(std::move(request), kSuite, kService, sha256_hex(body)));
}

TEST(SigV4, PlainGetIsSignedAsInTheSuite) {
  EXPECT_EQ(suite_signature("GET", "/"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(SigV4, DotSegmentsAndDoubledSlashesCountForNothing) {
  for (const char* target : {"//", "/./", "/example/..", "/example1/example2/../.."})
    EXPECT_EQ(suite_signature("GET", target), suite_signature("GET", "/")) << target;
  EXPECT_EQ(suite_signature("GET", "//example//"), suite_signature("GET", "/example/"));
}

TEST(SigV4, ParametersAreSorted) {
  EXPECT_EQ(suite_signature("GET", "/?Param2=value2&Param1=value1"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST(SigV4, HeadersOfOneNameAreJoinedAndBlanksSqueezed) {
  EXPECT_EQ(suite_signature(
                "GET", "/",
                {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}),
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea");
  EXPECT_EQ(suite_signature("GET", "/", {{"a", "  b   c "}}),
            suite_signature("GET", "/", {{"A", "b c"}}));
}

TEST(SigV4, BodyIsPartOfIt) {
  EXPECT_EQ(suite_signature("POST", "/", {{"Content-Type", "application/x-www-form-urlencoded"}},
                            "Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

TEST(SigV4, SessionTokenIsSentAndSigned) {
  Credentials credentials = kSuite;
  credentials.session_token = "token";
  Request request;
  request.url = "https://example.amazonaws.com/";
  ASSERT_TRUE(sign(request, credentials, kService, sha256_hex("")));
  EXPECT_EQ(*find_header(request.headers, "x-amz-security-token"), "token");
  EXPECT_THAT(*find_header(request.headers, "authorization"),
              HasSubstr("SignedHeaders=host;x-amz-date;x-amz-security-token"));
}

TEST(SigV4, SecretIsInNoHeader) {
  Request request;
  request.url = "https://example.amazonaws.com/";
  ASSERT_TRUE(sign(request, kSuite, kService, kUnsignedPayload));
  for (const auto& header : request.headers)
    EXPECT_EQ(header.value.find(kSuite.secret_access_key), std::string::npos) << header.name;
}

// --- The whole suite, where there is one -----------------------------------------------------

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A request as the suite writes it: a request line, headers, an empty line, a body.
std::pair<Request, std::string> suite_request(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  Request request;
  request.method = line.substr(0, line.find(' '));
  const auto version = line.rfind(" HTTP/");
  std::string target = line.substr(request.method.size() + 1, version - request.method.size() - 1);
  // The suite's targets hold bytes that no URL holds. Its paths are signed encoded once, which is
  // what kNormal does with a path as sent; so only what parse_url refuses is a difference.
  std::string sendable;
  const bool is_query_only = target.find('?') != std::string::npos;
  for (const char c : target)
    sendable += c > ' ' && c < '\x7f' ? std::string(1, c) : percent_encode({&c, 1}, Slash::kKeep);
  request.url = "https://example.amazonaws.com" + (is_query_only ? sendable : target);
  while (std::getline(lines, line) && !line.empty()) {
    if (line.front() == ' ' && !request.headers.empty()) {
      request.headers.back().value += line;  // a folded header
      continue;
    }
    const auto colon = line.find(':');
    const std::string name = line.substr(0, colon);
    if (name == "Host" || name == "X-Amz-Date" || name == "X-Amz-Security-Token") continue;
    request.headers.push_back({name, line.substr(colon + 1)});
  }
  std::string body;
  std::getline(lines, body, '\0');
  return {request, body};
}

TEST(SigV4, EveryCaseOfTheSuite) {
  const char* folder = std::getenv("WEIR_SIGV4_SUITE");
  if (folder == nullptr) GTEST_SKIP() << "WEIR_SIGV4_SUITE names no folder";
  int tried = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".authz") continue;
    auto request_path = entry.path();
    const std::string written = text_of(request_path.replace_extension(".req"));
    auto [request, body] = suite_request(written);
    if (!parse_url(request.url)) continue;  // a path that no URL holds: see suite_request
    Credentials credentials = kSuite;
    if (text_of(entry.path()).find("x-amz-security-token") != std::string::npos) {
      const std::string whole = text_of(request_path.replace_extension(".sreq"));
      const std::string_view name = "X-Amz-Security-Token:";
      const auto at = whole.find(name) + name.size();
      credentials.session_token = whole.substr(at, whole.find('\n', at) - at);
    }
    EXPECT_EQ(authorization_of(request, credentials, kService, sha256_hex(body)),
              text_of(entry.path()))
        << entry.path();
    ++tried;
  }
  EXPECT_GT(tried, 20);
}

}  // namespace
}  // namespace weir::net
