#include "base/ids.h"

#include <fmt/format.h>
#include <sys/random.h>

#include "base/check.h"

namespace weir {
namespace {

class SystemRandom final : public Random {
 public:
  std::array<uint8_t, 16> bytes16() override {
    std::array<uint8_t, 16> bytes{};
    WEIR_CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    return bytes;
  }
};

std::string uuid_text(const std::array<uint8_t, 16>& bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", bytes[i]);
  }
  return text;
}

std::string stamped(std::array<uint8_t, 16> bytes, uint8_t version) {
  bytes[6] = static_cast<uint8_t>((bytes[6] & 0x0f) | (version << 4));
  bytes[8] = static_cast<uint8_t>((bytes[8] & 0x3f) | 0x80);
  return uuid_text(bytes);
}

}  // namespace

std::unique_ptr<Random> make_system_random() { return std::make_unique<SystemRandom>(); }

std::string make_uuid7(Clock& clock, Random& random) {
  auto bytes = random.bytes16();
  const auto ms = static_cast<uint64_t>(clock.now_us() / 1000);
  for (size_t i = 0; i < 6; ++i) bytes[i] = static_cast<uint8_t>(ms >> (8 * (5 - i)));
  return stamped(bytes, 7);
}

std::string make_uuid4(Random& random) { return stamped(random.bytes16(), 4); }

}  // namespace weir
