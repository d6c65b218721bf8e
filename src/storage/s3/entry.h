#pragma once

/// How S3's words for an object become those of an entry: the same from HEAD and from a listing.

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::storage::s3 {

/// HEAD gives seconds, listings milliseconds.
inline int64_t whole_seconds(int64_t at_us) { return at_us - at_us % 1'000'000; }

/// An ETag without its quotes.
inline std::string version_of(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

}  // namespace weir::storage::s3
