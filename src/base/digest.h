#pragma once

/// SHA-256 (FIPS 180-4) over bytes as they stream by, and digests as lower-case hex.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace weir {

/// One digest in the making. Not for use from several threads at once.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  /// The 32 raw bytes; the object is then at its beginning again.
  std::string finish();
  /// The same without allocating.
  std::array<uint8_t, 32> finish_bytes();
  /// The same as 64 hex digits.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view bytes);
std::string to_hex(std::string_view bytes);

}  // namespace weir
