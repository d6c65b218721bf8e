#include "storage/s3/address.h"

#include <algorithm>

#include "net/url.h"

namespace weir::storage::s3 {
namespace {

bool is_bucket_name(std::string_view name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() >= 3 && name.size() <= 63 && is_plain(name.front()) && is_plain(name.back()) &&
         name.find("..") == std::string_view::npos &&
         std::ranges::all_of(name, [&](char c) { return is_plain(c) || c == '-' || c == '.'; });
}

}  // namespace

Result<Address> Address::parse(const std::string& uri, const S3Options& options) {
  constexpr std::string_view kScheme = "s3://";
  if (!uri.starts_with(kScheme))
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'{}' is no place in a bucket", uri),
                          "write s3://bucket or s3://bucket/prefix");
  Address address;
  std::string_view rest = std::string_view(uri).substr(kScheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  address.bucket_ = rest.substr(0, slash);
  if (!is_bucket_name(address.bucket_))
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("'{}' names the bucket '{}', which no bucket is called", uri, address.bucket_),
        "a bucket's name has 3 to 63 of a-z, 0-9, '-' and '.'");
  rest.remove_prefix(std::min(slash + 1, rest.size()));
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (!rest.empty()) {
    WEIR_TRY(while_doing(check_object_name(rest), fmt::format("reading '{}'", uri)));
    address.prefix_ = std::string(rest) + '/';
  }
  address.endpoint_ = options.endpoint;
  while (address.endpoint_.ends_with('/')) address.endpoint_.pop_back();
  if (!address.endpoint_.empty()) {
    WEIR_ASSIGN(const auto url,
                while_doing(net::parse_url(address.endpoint_), "reading the endpoint of S3"));
    if (url.path != "/" || !url.query.empty())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("the endpoint '{}' has more than a host", options.endpoint),
                            "write https://host or http://host:port; buckets stand in s3:// URIs");
  }
  // Behind a dot the name would not be covered by the certificate for *.s3.region.amazonaws.com.
  const bool is_automatic_path =
      address.has_own_endpoint() || address.bucket_.find('.') != std::string::npos;
  address.is_in_host_ = options.addressing == Addressing::kVirtualHost ||
                        (options.addressing == Addressing::kAutomatic && !is_automatic_path);
  return address;
}

std::string Address::url(std::string_view region, std::string_view key) const {
  std::string scheme = "https";
  std::string host =
      fmt::format("s3.{}.amazonaws.com{}", region, region.starts_with("cn-") ? ".cn" : "");
  if (has_own_endpoint()) {
    const auto split = endpoint_.find("://");
    scheme = endpoint_.substr(0, split);
    host = endpoint_.substr(split + 3);
  }
  const std::string path = net::percent_encode(key, net::Slash::kKeep);
  if (is_in_host_) return fmt::format("{}://{}.{}/{}", scheme, bucket_, host, path);
  return fmt::format("{}://{}/{}{}{}", scheme, host, bucket_, key.empty() ? "" : "/", path);
}

}  // namespace weir::storage::s3
