#pragma once

/// The bloom filter in a data file's footer that Spark's BLOOM index reads: Hudi's type SIMPLE over
/// Hadoop's MurmurHash 2. Bits and text as `org.apache.hudi.common.bloom` writes them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::table {

/// Hadoop's 32-bit MurmurHash with its sign-extended bytes, as `common/util/hash/MurmurHash.java`.
int32_t murmur32(std::string_view bytes, int32_t seed);

/// A filter for a known number of keys. Not for several threads at once.
class SimpleBloom {
 public:
  /// A footer is read and held whole by every reader that opens the file, so a filter ends at 1
  /// MiB: a million keys then have a rate of about 2 %. (Hudi's own, DYNAMIC_V0, stops growing at
  /// 100,000 keys, about half of that.)
  static constexpr uint32_t kMostBits = uint32_t{8} << 20;

  /// `false_positives` in (0, 1): kept as long as kMostBits allow.
  SimpleBloom(int64_t keys, double false_positives);

  void add(std::string_view key) { add_all(&key, 1); }
  /// The same for many; keys of equal length beside each other are hashed side by side.
  void add_all(const std::string_view* keys, int64_t count);

  int32_t bits() const { return static_cast<int32_t>(bits_); }
  int32_t hashes() const { return hashes_; }
  /// Base64 of the filter's header and bits: the value of the footer key.
  std::string footer_text() const;

 private:
  void set(int32_t hash);

  uint32_t bits_ = 0;
  uint64_t reciprocal_ = 0;
  int32_t hashes_ = 0;
  std::string bytes_;
};

/// Java's String.compareTo over UTF-8 text, below zero where `a` comes first: UTF-16 puts
/// characters beyond the basic plane before U+E000.
int compare_as_java(std::string_view a, std::string_view b);

}  // namespace weir::table
