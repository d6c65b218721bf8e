#pragma once

/// Where a store's objects are: bucket and prefix of an `s3://` URI, and the URLs of a region or an
/// endpoint.

#include <string>
#include <string_view>

#include "storage/s3.h"

namespace weir::storage::s3 {

class Address {
 public:
  /// kInvalidConfig for what is no `s3://bucket[/prefix]` ("Bucket naming rules": 3–63 of a–z, 0–9,
  /// '-' and '.'), or an endpoint that is no URL of a host.
  static Result<Address> parse(const std::string& uri, const S3Options& options);

  const std::string& bucket() const { return bucket_; }
  /// Empty, or ends in '/'.
  const std::string& prefix() const { return prefix_; }
  bool has_own_endpoint() const { return !endpoint_.empty(); }
  /// Whether one S3 keeps both: AWS's, or the one at that endpoint.
  bool is_beside(const Address& other) const { return endpoint_ == other.endpoint_; }

  /// The URL of a key (of the bucket itself: an empty one), encoded; without a query.
  std::string url(std::string_view region, std::string_view key) const;

 private:
  std::string bucket_;
  std::string prefix_;
  std::string endpoint_;  ///< Without a '/' at its end.
  bool is_in_host_ = true;
};

}  // namespace weir::storage::s3
