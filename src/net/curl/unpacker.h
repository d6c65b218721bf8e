#pragma once

/// An answer that comes as gzip, unpacked while it comes. curl can do that, too, but takes a stream
/// that is cut off for a whole one.

#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"

namespace weir::net {

/// Not for use from several threads at once.
class Unpacker {
 public:
  using Sink = std::function<Status(std::string_view bytes)>;

  Unpacker();
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  /// Gives `sink` what is in `packed`, piece by piece, and passes on what it fails with.
  /// kUnavailable where it is no gzip, or its checksum is another one.
  Status take(std::string_view packed, const Sink& sink);
  /// kUnavailable where more would have to come.
  Status finish() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace weir::net
