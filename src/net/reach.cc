#include "net/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace weir::net {
namespace {

enum class Kind { kPublic, kLoopback, kPrivate, kLink, kMetadata, kReserved };

struct Range4 {
  uint32_t address;
  int bits;
  Kind kind;
};

constexpr uint32_t ip(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

/// IANA's registry of special addresses; the first that fits counts.
constexpr std::array kRanges4 = {
    Range4{ip(169, 254, 169, 254), 32, Kind::kMetadata},  // AWS, Google, Azure, …
    Range4{ip(169, 254, 170, 2), 32, Kind::kMetadata},    // ECS
    Range4{ip(100, 100, 100, 200), 32, Kind::kMetadata},  // Alibaba
    Range4{ip(168, 63, 129, 16), 32, Kind::kMetadata},    // Azure
    Range4{ip(0, 0, 0, 0), 8, Kind::kReserved},
    Range4{ip(10, 0, 0, 0), 8, Kind::kPrivate},
    Range4{ip(100, 64, 0, 0), 10, Kind::kPrivate},
    Range4{ip(127, 0, 0, 0), 8, Kind::kLoopback},
    Range4{ip(169, 254, 0, 0), 16, Kind::kLink},
    Range4{ip(172, 16, 0, 0), 12, Kind::kPrivate},
    Range4{ip(192, 0, 0, 0), 24, Kind::kReserved},
    Range4{ip(192, 0, 2, 0), 24, Kind::kReserved},
    Range4{ip(192, 88, 99, 0), 24, Kind::kReserved},
    Range4{ip(192, 168, 0, 0), 16, Kind::kPrivate},
    Range4{ip(198, 18, 0, 0), 15, Kind::kReserved},
    Range4{ip(198, 51, 100, 0), 24, Kind::kReserved},
    Range4{ip(203, 0, 113, 0), 24, Kind::kReserved},
    Range4{ip(224, 0, 0, 0), 3, Kind::kReserved}};  // multicast and above

Kind kind_of(uint32_t address) {
  for (const auto& range : kRanges4)
    if ((address ^ range.address) >> (32 - range.bits) == 0) return range.kind;
  return Kind::kPublic;
}

using Bytes16 = std::array<uint8_t, 16>;

uint32_t ip_at(const Bytes16& bytes, size_t at) {
  return ip(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
}

bool starts_with(const Bytes16& bytes, std::initializer_list<uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), bytes.begin());
}

Kind kind_of(const Bytes16& bytes) {
  static constexpr Bytes16 kLoopback = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  // fd00:ec2::254 and ::23 (EKS); fd20:ce::254 (Google)
  if (starts_with(bytes, {0xfd, 0x00, 0x0e, 0xc2}) || starts_with(bytes, {0xfd, 0x20, 0x00, 0xce}))
    return Kind::kMetadata;
  if (bytes == kLoopback) return Kind::kLoopback;
  if (starts_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}))
    return kind_of(ip_at(bytes, 12));
  if (starts_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) return kind_of(ip_at(bytes, 12));
  // Compatible addresses, with :: and what is left of ::/96.
  if (starts_with(bytes, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}))
    return ip_at(bytes, 12) == 0 ? Kind::kReserved : kind_of(ip_at(bytes, 12));
  if (starts_with(bytes, {0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}))  // NAT64
    return kind_of(ip_at(bytes, 12));
  if (starts_with(bytes, {0x20, 0x02})) return kind_of(ip_at(bytes, 2));          // 6to4
  if (starts_with(bytes, {0x20, 0x01, 0, 0})) return kind_of(~ip_at(bytes, 12));  // Teredo
  if (starts_with(bytes, {0x20, 0x01, 0x0d, 0xb8})) return Kind::kReserved;       // documentation
  if ((bytes[0] & 0xfe) == 0xfc) return Kind::kPrivate;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return Kind::kLink;
  // What is given out is 2000::/3; the local NAT64 of 64:ff9b:1::/48, sites, multicast are not.
  return (bytes[0] & 0xe0) == 0x20 ? Kind::kPublic : Kind::kReserved;
}

}  // namespace

std::optional<std::string_view> why_out_of_reach(const sockaddr& address, const Reach& reach) {
  if (reach.everything) return std::nullopt;
  Kind kind = Kind::kReserved;  // also whatever is no internet address
  if (address.sa_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &address, sizeof four);
    kind = kind_of(ntohl(four.sin_addr.s_addr));
  } else if (address.sa_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &address, sizeof six);
    Bytes16 bytes{};
    std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
    kind = kind_of(bytes);
  }
  switch (kind) {
    case Kind::kPublic: return std::nullopt;
    case Kind::kLoopback:
      if (reach.loopback) return std::nullopt;
      return "a loopback address";
    case Kind::kPrivate:
      if (reach.private_networks) return std::nullopt;
      return "an address of a private network";
    case Kind::kLink: return "an address of the local link";
    case Kind::kMetadata: return "an address of instance metadata";
    case Kind::kReserved: break;
  }
  return "a reserved address";
}

std::string to_text(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* bytes = nullptr;
  if (address.sa_family == AF_INET) bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  if (address.sa_family == AF_INET6)
    bytes = &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (bytes == nullptr) return "no internet address";
  inet_ntop(address.sa_family, bytes, text.data(), static_cast<socklen_t>(text.size()));
  return text.data();
}

}  // namespace weir::net
