#include "storage/sftp/address.h"

#include <charconv>

#include "storage/storage.h"

namespace weir::storage::sftp {
namespace {

constexpr std::string_view kScheme = "sftp://";

std::unexpected<Error> refuse(const std::string& uri, std::string_view why, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("'{}' is no place on an SFTP server: {}", uri, why),
                        std::move(hint));
}

}  // namespace

Result<Address> Address::parse(const std::string& uri) {
  const std::string form = "write sftp://host/folder, or sftp://host:port/folder";
  if (!uri.starts_with(kScheme)) return refuse(uri, "it does not start with sftp://", form);
  std::string_view rest = std::string_view(uri).substr(kScheme.size());
  const auto slash = rest.find('/');
  std::string_view host = rest.substr(0, slash);
  std::string folder(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
  if (host.find('@') != std::string_view::npos)
    return refuse(uri, "it names a user",
                  "write the user as `user:` of the connection, and its password as a secret");
  Address address;
  const bool is_ip6 = host.starts_with('[');
  const auto end = is_ip6 ? host.find(']') : host.find(':');
  if (is_ip6 && end == std::string_view::npos) return refuse(uri, "its host has no ']'", form);
  address.host = host.substr(is_ip6 ? 1 : 0, end == std::string_view::npos ? end : end - is_ip6);
  if (address.host.empty()) return refuse(uri, "it names no host", form);
  host.remove_prefix(std::min(host.size(), end == std::string_view::npos ? end : end + is_ip6));
  if (!host.empty()) {
    const auto [at, error] =
        std::from_chars(host.data() + 1, host.data() + host.size(), address.port);
    constexpr int kLastPort = 65'535;
    if (!host.starts_with(':') || error != std::errc() || at != host.data() + host.size() ||
        address.port < 1 || address.port > kLastPort)
      return refuse(uri, "its port is none", form);
  }
  while (folder.ends_with('/')) folder.pop_back();
  const bool is_of_home = folder == "~" || folder.starts_with("~/");
  if (is_of_home) folder.erase(0, folder == "~" ? 1 : 2);
  if (!folder.empty() && !check_object_name(folder))
    return refuse(uri, "its folder has a segment that no folder has", form);
  address.root = (is_of_home ? (folder.empty() ? "." : "./") : "/") + folder;
  return address;
}

std::string Address::place() const {
  constexpr int kUsualPort = 22;
  return port == kUsualPort ? host : fmt::format("{}:{}", host, port);
}

}  // namespace weir::storage::sftp
