#pragma once

/// Whether the server does what a write with If-Match asks for. One that does not know the header
/// overwrites whatever is there and says nothing: it must be found out before the first such write.

#include <atomic>

#include "storage/s3/client.h"

namespace weir::storage::s3 {

/// Safe to use from many threads at once.
class IfMatch {
 public:
  /// Asks once: writes, if it is of a version that nothing has, an object that is not there.
  /// kUnsupported where the server writes it all the same (it is removed again), or says that it
  /// does not do that. Amazon S3 itself is not asked.
  Status check(Client& client);

 private:
  std::atomic<bool> is_known_ = false;
};

}  // namespace weir::storage::s3
