#include "net/curl/unpacker.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace weir::net {
namespace {

std::string packed(const std::string& text) {
  constexpr int kGzip = MAX_WBITS + 16;
  std::string out(text.size() + 1'000, '\0');
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string in = text;
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// What comes out of the bytes, given in pieces of that size.
Result<std::string> unpacked(std::string_view bytes, size_t piece_bytes) {
  Unpacker unpacker;
  std::string text;
  const auto sink = [&](std::string_view piece) -> Status {
    text += piece;
    return {};
  };
  for (size_t at = 0; at < bytes.size(); at += piece_bytes)
    WEIR_TRY(unpacker.take(bytes.substr(at, piece_bytes), sink));
  WEIR_TRY(unpacker.finish());
  return text;
}

const std::string kText = [] {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += fmt::format("{},", i * 7919 % 50'000);
  return text;
}();

TEST(Unpacker, GivesWhatWasPackedWhateverThePieces) {
  const std::string bytes = packed(kText);
  for (const size_t size : {size_t{1}, size_t{1'000}, bytes.size()})
    EXPECT_EQ(unpacked(bytes, size).value_or(""), kText) << size;
  EXPECT_EQ(unpacked(bytes + packed("more"), 999).value_or(""), kText + "more");
  EXPECT_EQ(unpacked(packed(""), 1).value_or("?"), "");
  EXPECT_EQ(unpacked("", 1).value_or("?"), "");
}

TEST(Unpacker, EveryCutIsSeen) {
  const std::string bytes = packed("some words, some words, and some more");
  for (size_t size = 1; size < bytes.size(); ++size) {
    const auto text = unpacked(std::string_view(bytes).substr(0, size), 5);
    ASSERT_FALSE(text) << size;
    EXPECT_EQ(text.error().code, ErrorCode::kUnavailable);
  }
}

TEST(Unpacker, OtherBytesAreRefused) {
  std::string flipped = packed(kText);
  flipped[flipped.size() - 6] = static_cast<char>(flipped[flipped.size() - 6] ^ 1);
  for (const std::string& bytes : {flipped, std::string("{\"data\": []}"), packed("x") + "junk"})
    EXPECT_FALSE(unpacked(bytes, bytes.size()));
}

TEST(Unpacker, PassesOnWhatTheSinkSays) {
  Unpacker unpacker;
  const auto full = [](std::string_view) -> Status {
    return fail(ErrorCode::kResourceExhausted, "enough");
  };
  EXPECT_EQ(unpacker.take(packed(kText), full).error().code, ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace weir::net
