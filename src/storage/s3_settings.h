#pragma once

/// How users say what holds for buckets: the options of a connection of kind `s3`, and the
/// environment variables that AWS's own tools read. It opens nothing and holds no keys.

#include <string>

#include "base/environment.h"
#include "base/json.h"
#include "storage/s3.h"

namespace weir::storage {

struct S3Settings {
  std::string uri;  ///< Holds for stores at this URI and below; empty: for all others.
  S3Options options;
  std::string ca_file;
  std::string profile;   ///< Of ~/.aws.
  std::string role_arn;  ///< Taken on with the keys that are found.
  std::string external_id;
};

/// Reads the options of a connection of kind `s3`; see docs/guide/s3.md. kInvalidConfig names the
/// option that is unknown, of another type or of a value that nobody knows.
Result<S3Settings> read_s3_settings(const Json& options);

/// Fills in what is not said from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_CA_BUNDLE and the
/// region that AWS_REGION, AWS_DEFAULT_REGION or the profile gives. kInvalidConfig for profile
/// files that cannot be read.
Status add_environment(S3Settings& settings, const Environment& environment);

/// Whether `uri` is `place`, or below it.
bool is_at_or_below(std::string_view uri, std::string_view place);

}  // namespace weir::storage
