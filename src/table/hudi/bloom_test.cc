#include "table/hudi/bloom.h"

#include <gtest/gtest.h>

#include "base/digest.h"

// The expected values come from an independent implementation in Python, which was compared bit by
// bit with filters that Spark had written.

namespace weir::table {
namespace {

std::vector<std::string_view> views(const std::vector<std::string>& texts) {
  return {texts.begin(), texts.end()};
}

TEST(Murmur, HashesAsHadoopDoes) {
  struct Case {
    std::string_view key;
    int32_t seed_zero, seed_minus_one, seed_other;
  };
  const Case cases[] = {
      {"", 0, -1285986640, 1925781940},
      {"a", -1838653602, 713507990, 846967266},
      {"ab", 1525573013, -1797532438, 773214199},
      {"abc", 1775488903, -1465591341, 923286241},
      {"abcd", 646393889, 1555318719, -342526052},
      {"oslo", -1673608734, -1248683437, -1528422439},
      {"0123456789abcdef0123456789abcdef", 1932669937, -1127034003, -178837090},
      {"Zürich", 1329794141, -1700500176, -338478559},
      {"日本", 659168028, -727673871, -294677973},
      {"😀x", 1276919489, 1845230764, -40488136},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(murmur32(c.key, 0), c.seed_zero) << c.key;
    EXPECT_EQ(murmur32(c.key, -1), c.seed_minus_one) << c.key;
    EXPECT_EQ(murmur32(c.key, 123456789), c.seed_other) << c.key;
  }
}

TEST(SimpleBloom, FooterTextIsThatOfHudi) {
  EXPECT_EQ(SimpleBloom(0, 1e-9).footer_text(), "/////wAAAB8BAAAALAAAAAAAAA==");
  SimpleBloom one(1, 1e-9);
  one.add("oslo");
  EXPECT_EQ(one.footer_text(), "/////wAAAB8BAAAALOEmrvpQAw==");
  SimpleBloom three(3, 1e-9);
  for (const auto key : {"a", "b", "c"}) three.add(key);
  EXPECT_EQ(three.footer_text(), "/////wAAAB8BAAAAglq/1OMDVFFUP26aJeJA/coB");
  const std::vector<std::string> mixed = {
      "",       "a",    "ab", "abc", "abcd", "oslo", "0123456789abcdef0123456789abcdef",
      "Zürich", "日本", "😀x"};
  SimpleBloom ten(10, 1e-3);
  ten.add_all(views(mixed).data(), 10);
  EXPECT_EQ(ten.footer_text(), "/////wAAAAoBAAAAkOt5hHRibFPYi+Rq0CBynUXADw==");
}

TEST(SimpleBloom, KeysHashedSideBySideSetTheSameBits) {
  std::vector<std::string> digests;
  std::vector<std::string> short_ones;
  for (int i = 0; i < 1000; ++i) {
    digests.push_back(sha256_hex(std::to_string(i)).substr(0, 32));
    short_ones.push_back("k" + std::to_string(i));
  }
  SimpleBloom of_digests(1000, 1e-9);
  of_digests.add_all(views(digests).data(), 1000);
  EXPECT_EQ(sha256_hex(of_digests.footer_text()),
            "bdec5536bf6bebca071f932fd7eb9732456953c52d3bf66b3973451a042585d3");
  SimpleBloom of_short(1000, 1e-6);
  of_short.add_all(views(short_ones).data(), 1000);
  EXPECT_EQ(sha256_hex(of_short.footer_text()),
            "d3e7c1e8b62146e8bca9fb8f637b568ea6bd1b4f876076b8d230da9a473efcec");
}

TEST(SimpleBloom, EndsAtOneMebibyteWithFewerHashes) {
  const SimpleBloom many(1'000'000, 1e-9);
  EXPECT_EQ(many.bits(), 8 << 20);
  EXPECT_EQ(many.hashes(), 6);  // ⌈ln 2 · 8.39⌉
  EXPECT_EQ(many.footer_text().size(), ((size_t{1} << 20) + 13 + 2) / 3 * 4);
  const SimpleBloom beyond(int64_t{1} << 40, 1e-9);
  EXPECT_EQ(beyond.bits(), 8 << 20);
  EXPECT_EQ(beyond.hashes(), 1);
  EXPECT_LT(SimpleBloom(190'000, 1e-9).bits(), 8 << 20);
  EXPECT_EQ(SimpleBloom(190'000, 1e-9).hashes(), 30);
}

TEST(CompareAsJava, PutsSurrogatesBeforeTheEndOfTheBasicPlane) {
  EXPECT_LT(compare_as_java("a", "b"), 0);
  EXPECT_LT(compare_as_java("a", "ab"), 0);
  EXPECT_EQ(compare_as_java("ab", "ab"), 0);
  EXPECT_LT(compare_as_java("😀", "\uFF41"), 0);  // bytes say otherwise
  EXPECT_GT(compare_as_java("\uFF41", "😀"), 0);
  EXPECT_GT(compare_as_java("😀", "日"), 0);
}

}  // namespace
}  // namespace weir::table
