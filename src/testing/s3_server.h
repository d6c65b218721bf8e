#pragma once

/// A real S3 server of a test's own on 127.0.0.1 and a free port: versitygw, or MinIO. `./dev
/// standins` builds the first; where its program is not there the test skips.

#include <memory>
#include <string>

#include "base/result.h"
#include "net/credentials.h"

namespace weir::testing {

enum class S3Kind { kVersitygw, kMinio };

/// Stopped, with its data removed, with the object. Safe to use from many threads at once.
class S3Server {
 public:
  virtual ~S3Server() = default;
  virtual const std::string& endpoint() const = 0;
  virtual const std::string& access_key_id() const = 0;
  virtual const std::string& secret_access_key() const = 0;
  /// A new, empty bucket; its name.
  virtual Result<std::string> create_bucket() = 0;
};

/// kNotFound where its program is not there: print it and skip. Looked for in WEIR_STANDINS, then
/// in
/// ${XDG_CACHE_HOME:-~/.cache}/weir/standins.
Result<std::unique_ptr<S3Server>> start_s3_server(S3Kind kind);

/// The keys that the server takes. They outlive it.
std::unique_ptr<net::CredentialSource> keys_of(const S3Server& server);

}  // namespace weir::testing
