#include "base/digest.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

// FIPS 180-4 examples.
constexpr auto kOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr auto kOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Sha256, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(sha256_hex("abc"), kOfAbc);
  EXPECT_EQ(sha256_hex(""), kOfNothing);
}

TEST(Sha256, PiecesMakeTheSameDigestAndFinishStartsAnew) {
  Sha256 digest;
  digest.update("a");
  digest.update("");
  digest.update("bc");
  EXPECT_EQ(digest.finish_hex(), kOfAbc);
  EXPECT_EQ(digest.finish_hex(), kOfNothing);
  digest.update("abc");
  EXPECT_EQ(to_hex(digest.finish()), kOfAbc);
}

TEST(ToHex, KeepsEveryByte) { EXPECT_EQ(to_hex(std::string("\0\x0f\xff", 3)), "000fff"); }

}  // namespace
}  // namespace weir
