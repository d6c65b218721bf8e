#include "base/printable.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Printable, GoodTextStaysAsItIs) {
  for (const std::string_view text : {"", "plain", "Zoë 日本 😀", "a\tb\nc", "\u00A0\uFFFD"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, WhatIsNoTextBecomesOneCharacterEach) {
  EXPECT_EQ(printable("a\x1B[31mb"), "a\uFFFD[31mb");
  EXPECT_EQ(printable(std::string_view("\0\r\x7F", 3)), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(printable("\xC2\x9B"), "\uFFFD");
  EXPECT_EQ(printable("a\u202Eb\u2069\u2030"), "a\uFFFDb\uFFFD\u2030");
  EXPECT_EQ(printable("Zo\xEB"), "Zo\uFFFD");
  EXPECT_EQ(printable("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(printable("\xF0\x9F\x98"), "\uFFFD\uFFFD\uFFFD");
}

}  // namespace
}  // namespace weir
