#include "files/encoding.h"

#include <random>

#include <gtest/gtest.h>

namespace weir::files {
namespace {

constexpr Encoding kAll[] = {Encoding::kUtf16Le, Encoding::kUtf16Be, Encoding::kLatin1,
                             Encoding::kWindows1252};

std::string decoded(Encoding encoding, std::string_view bytes, size_t step) {
  Decoder decoder(encoding);
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += step) decoder.decode(bytes.substr(i, step), out);
  decoder.finish(out);
  return out;
}

TEST(Encoding, AnyBytesDecodeAndLeadBackToThemselves) {
  for (const Encoding encoding : kAll) {
    for (uint32_t seed = 0; seed < 2000; ++seed) {
      std::mt19937 random(seed);
      std::string bytes;
      for (size_t size = random() % 12 * 2; size > 0; --size) {
        // Surrogates often: they are what UTF-16 gets wrong.
        bytes += static_cast<char>(random() % 3 == 0 ? 0xD8 + random() % 8 : random() % 256);
      }
      SCOPED_TRACE(fmt::format("{} seed {}", to_text(encoding), seed));
      const std::string text = decoded(encoding, bytes, bytes.size() + 1);
      EXPECT_EQ(text, decoded(encoding, bytes, 1));
      EXPECT_EQ(text, decoded(encoding, bytes, 3));
      EXPECT_EQ(encode(encoding, text), bytes);
      EXPECT_EQ(encoded_size(encoding, text), static_cast<int64_t>(bytes.size()));
    }
  }
}

TEST(Encoding, HalfAUnitAtTheEndIsSeen) {
  const std::string text = decoded(Encoding::kUtf16Le, std::string("a\0b", 3), 2);
  EXPECT_FALSE(is_utf8(text));
  EXPECT_EQ(encoded_size(Encoding::kUtf16Le, text), 3);
}

TEST(Encoding, KnownLettersComeOutRight) {
  EXPECT_EQ(decoded(Encoding::kLatin1, "Z\xFCrich", 2), "Zürich");
  EXPECT_EQ(decoded(Encoding::kWindows1252, "5 \x80", 2), "5 €");
  EXPECT_EQ(decoded(Encoding::kUtf16Be, std::string("\xD8\x3D\xDE\x00", 4), 2), "😀");
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const char* good : {"", "abc", "ü", "€", "😀", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad :
       {"\xFF", "\xC3", "\xC3(", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "abcdefgh\x80", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << testing::PrintToString(bad);
  }
}

TEST(GuessEncoding, TellsWideTextAndWesternTextFromUtf8) {
  EXPECT_EQ(guess_encoding(std::string("i\0d\0,\0n\0", 8)), Encoding::kUtf16Le);
  EXPECT_EQ(guess_encoding(std::string("\0i\0d\0,\0n", 8)), Encoding::kUtf16Be);
  EXPECT_EQ(guess_encoding("Z\xFCrich"), Encoding::kWindows1252);
  EXPECT_EQ(guess_encoding("Zürich"), Encoding::kUtf8);
  EXPECT_EQ(guess_encoding(without_cut_character("cut \xE2\x82")), Encoding::kUtf8);
  EXPECT_EQ(without_cut_character("whole ü"), "whole ü");
  EXPECT_EQ(without_cut_character("Gen\xE8ve"), "Gen\xE8ve");
  EXPECT_EQ(guess_encoding("broken \xFF"), Encoding::kUtf8);
}

}  // namespace
}  // namespace weir::files
