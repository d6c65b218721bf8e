#pragma once

/// Which addresses a client may connect to. A URL in a configuration, or in an answer, must not
/// lead to services that only this machine or its network should reach (server-side request
/// forgery). It judges addresses, not names: whatever a name resolves to at that moment is looked
/// at, and that very address is connected to.

#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>

namespace weir::net {

struct Reach {
  bool loopback = false;          ///< 127.0.0.0/8, ::1
  bool private_networks = false;  ///< 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7
  /// Everything: for AWS's services, whose keys may come from addresses of the link, and whose
  /// answers are not handed on as they came.
  bool everything = false;

  static Reach outside() { return {}; }
  static Reach anywhere() { return {true, true, true}; }
  bool operator==(const Reach&) const = default;
};

/// Why that address is out of reach (`a loopback address`), or nothing. Addresses of the link, of
/// instance metadata, reserved and multicast ones are always out of reach; one that carries an IPv4
/// address (mapped, 6to4, NAT64, Teredo) is judged by it.
std::optional<std::string_view> why_out_of_reach(const sockaddr& address, const Reach& reach);

/// The address as text, for messages.
std::string to_text(const sockaddr& address);

}  // namespace weir::net
