#pragma once

/// A stream of bytes to and from a server's SFTP subsystem. It knows nothing of what they mean, so
/// that a test can script it.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weir::storage::sftp {

/// Not for use from several threads at once.
class Channel {
 public:
  virtual ~Channel() = default;
  /// Sends all of it. kUnavailable where the connection broke, nothing went by for too long, or a
  /// cancel came in the middle: the stream is of no use then. kCancelled where nothing was sent.
  virtual Status send(std::string_view bytes) = 0;
  /// At least one byte; the same codes. Nothing is lost by kCancelled.
  virtual Result<std::string> receive() = 0;
  /// From now on a cancel is not heeded, and nothing is waited for long: to tidy up.
  virtual void tidy_up() = 0;
};

/// A new connection, after host and user proved who they are.
using Dial = std::function<Result<std::unique_ptr<Channel>>()>;

}  // namespace weir::storage::sftp
