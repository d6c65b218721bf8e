#include "net/curl/unpacker.h"

#include <array>

#include <zlib.h>

#include "base/check.h"

namespace weir::net {

struct Unpacker::Stream {
  z_stream z{};
  bool is_within = false;  ///< Of one of the streams that follow each other.
};

Unpacker::Unpacker() : stream_(std::make_unique<Stream>()) {
  constexpr int kGzipOrZlib = MAX_WBITS + 32;
  WEIR_CHECK(inflateInit2(&stream_->z, kGzipOrZlib) == Z_OK);
}

Unpacker::~Unpacker() { inflateEnd(&stream_->z); }

Status Unpacker::take(std::string_view packed, const Sink& sink) {
  constexpr size_t kPieceBytes = size_t{64} << 10;
  std::array<char, kPieceBytes> piece;
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  do {
    if (!stream_->is_within && z.avail_in == 0) break;
    stream_->is_within = true;
    z.next_out = reinterpret_cast<Bytef*>(piece.data());
    z.avail_out = static_cast<uInt>(piece.size());
    const int result = inflate(&z, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      return fail(ErrorCode::kUnavailable, "what comes as gzip is none: {}",
                  z.msg == nullptr ? "it needs a dictionary" : z.msg);
    const size_t size = piece.size() - z.avail_out;
    if (size > 0) WEIR_TRY(sink({piece.data(), size}));
    if (result == Z_STREAM_END) {
      stream_->is_within = false;
      WEIR_CHECK(inflateReset(&z) == Z_OK);
      continue;
    }
    if (result == Z_BUF_ERROR) break;
  } while (z.avail_in > 0 || z.avail_out == 0);
  return {};
}

Status Unpacker::finish() const {
  if (!stream_->is_within) return {};
  return fail(ErrorCode::kUnavailable, "the answer ended too early: its gzip is not whole");
}

}  // namespace weir::net
