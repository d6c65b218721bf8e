#include "table/hudi/bloom.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/base64.h"

// A key is hashed `k` times, each hash seeded with the one before (k is 30 at Spark's rate of
// 1e-9). Two things make that cheap. The words of a key are mixed before the seed touches them, so
// they are mixed once and not k times. And what remains of a round is a chain of multiplications,
// each waiting for the one before: several keys of one length go side by side to fill the wait.

namespace weir::table {
namespace {

constexpr uint32_t kM = 0x5bd1e995;
constexpr size_t kSideBySide = 8;
constexpr size_t kLongestMixed = 256;  ///< Longer keys are hashed one by one.

uint32_t sign_extended(char byte) {
  return static_cast<uint32_t>(static_cast<int32_t>(static_cast<signed char>(byte)));
}

/// The four bytes at `p`, low byte first, mixed.
uint32_t mixed_word(const char* p) {
  uint32_t word = 0;
  std::memcpy(&word, p, sizeof word);  // x86 and ARM are little-endian, as the hash is
  word *= kM;
  word ^= word >> 24;
  return word * kM;
}

/// What the up to three bytes after the last word add.
uint32_t tail_of(std::string_view bytes) {
  const size_t left = bytes.size() & 3;
  const size_t n = bytes.size();
  uint32_t tail = 0;
  if (left >= 3) tail ^= sign_extended(bytes[n - 3]) << 16;
  if (left >= 2) tail ^= sign_extended(bytes[n - 2]) << 8;
  if (left >= 1) tail ^= sign_extended(bytes[n - 1]);
  return tail;
}

uint32_t finished(uint32_t h) {
  h ^= h >> 13;
  h *= kM;
  return h ^ h >> 15;
}

/// Keys of one length in the making: words[word][key], so that a round reads them in order.
struct Lanes {
  uint32_t words[kLongestMixed / 4][kSideBySide];
  uint32_t tails[kSideBySide];
};

/// One more round for all lanes: `hashes` are the seeds and become the results.
template <bool kHasTail>
void round_of(const Lanes& lanes, size_t length, uint32_t* hashes) {
  uint32_t h[kSideBySide];
  for (size_t i = 0; i < kSideBySide; ++i) h[i] = hashes[i] ^ static_cast<uint32_t>(length);
  for (size_t w = 0; w < length / 4; ++w) {
    for (size_t i = 0; i < kSideBySide; ++i) h[i] = h[i] * kM ^ lanes.words[w][i];
  }
  if constexpr (kHasTail) {
    for (size_t i = 0; i < kSideBySide; ++i) h[i] = (h[i] ^ lanes.tails[i]) * kM;
  }
  for (size_t i = 0; i < kSideBySide; ++i) hashes[i] = finished(h[i]);
}

void append_int32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

}  // namespace

int32_t murmur32(std::string_view bytes, int32_t seed) {
  uint32_t h = static_cast<uint32_t>(seed) ^ static_cast<uint32_t>(bytes.size());
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4) h = h * kM ^ mixed_word(bytes.data() + i);
  if ((bytes.size() & 3) != 0) h = (h ^ tail_of(bytes)) * kM;
  return static_cast<int32_t>(finished(h));
}

SimpleBloom::SimpleBloom(int64_t keys, double false_positives) {
  const auto n = static_cast<double>(std::max<int64_t>(keys, 1));
  const double ln2 = std::log(2.0);
  const double bits = std::ceil(n * (-std::log(false_positives) / (ln2 * ln2)));
  bits_ = static_cast<uint32_t>(std::min(bits, double{kMostBits}));
  hashes_ = static_cast<int32_t>(std::ceil(ln2 * static_cast<double>(bits_) / n));
  reciprocal_ = std::numeric_limits<uint64_t>::max() / bits_ + 1;
  bytes_.assign((static_cast<size_t>(bits_) + 7) / 8, '\0');
}

void SimpleBloom::set(int32_t hash) {
  // |h mod bits| with Java's remainder is |h| mod bits; the smallest int has no |h|, unsigned has.
  const uint32_t size = hash < 0 ? 0U - static_cast<uint32_t>(hash) : static_cast<uint32_t>(hash);
  // Lemire's remainder by a known divisor: a division here would cost as much as the hash.
  const uint64_t low = reciprocal_ * size;
  __extension__ using Wide = unsigned __int128;
  const auto position =
      bits_ == 1 ? 0U : static_cast<uint32_t>(static_cast<Wide>(low) * bits_ >> 64);
  char& byte = bytes_[position >> 3];
  byte = static_cast<char>(byte | 1 << (position & 7));
}

void SimpleBloom::add_all(const std::string_view* keys, int64_t count) {
  Lanes lanes;
  int64_t i = 0;
  while (i < count) {
    const size_t length = keys[i].size();
    int64_t run = 0;
    while (run < static_cast<int64_t>(kSideBySide) && i + run < count &&
           keys[i + run].size() == length)
      ++run;
    if (run < static_cast<int64_t>(kSideBySide) || length > kLongestMixed) {
      int32_t hash = 0;
      for (int32_t k = 0; k < hashes_; ++k) set(hash = murmur32(keys[i], hash));
      ++i;
      continue;
    }
    for (size_t lane = 0; lane < kSideBySide; ++lane) {
      const std::string_view key = keys[i + static_cast<int64_t>(lane)];
      for (size_t w = 0; w < length / 4; ++w) lanes.words[w][lane] = mixed_word(key.data() + w * 4);
      lanes.tails[lane] = tail_of(key);
    }
    uint32_t hashes[kSideBySide] = {};
    for (int32_t k = 0; k < hashes_; ++k) {
      if ((length & 3) != 0)
        round_of<true>(lanes, length, hashes);
      else
        round_of<false>(lanes, length, hashes);
      for (const uint32_t hash : hashes) set(static_cast<int32_t>(hash));
    }
    i += static_cast<int64_t>(kSideBySide);
  }
}

std::string SimpleBloom::footer_text() const {
  std::string all;
  all.reserve(bytes_.size() + 13);
  append_int32(all, static_cast<uint32_t>(-1));  // version of the filter's format
  append_int32(all, static_cast<uint32_t>(hashes_));
  all += '\1';  // murmur
  append_int32(all, bits_);
  all += bytes_;
  return base64(all);
}

int compare_as_java(std::string_view a, std::string_view b) {
  const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (at_a == a.end() || at_b == b.end()) return at_a == a.end() ? (at_b == b.end() ? 0 : -1) : 1;
  const auto x = static_cast<unsigned char>(*at_a);
  const auto y = static_cast<unsigned char>(*at_b);
  // Four-byte sequences are surrogates (D800–DFFF) in UTF-16, below what EE and EF begin.
  if ((x >= 0xF0) != (y >= 0xF0) && x >= 0xEE && y >= 0xEE) return x >= 0xF0 ? -1 : 1;
  return x < y ? -1 : 1;
}

}  // namespace weir::table
