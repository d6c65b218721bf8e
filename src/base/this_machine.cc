#include "base/this_machine.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace weir {

bool names_this_machine(std::string_view host) {
  if (host == "localhost" || host == "::1" || host == "[::1]") return true;
  return host.starts_with("127.") && std::ranges::count(host, '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string system_ca_file() {
  constexpr std::array kPlaces = {"/etc/ssl/certs/ca-certificates.crt",
                                  "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                  "/etc/ssl/cert.pem"};
  for (const char* place : kPlaces)
    if (access(place, R_OK) == 0) return place;
  return {};
}

}  // namespace weir
