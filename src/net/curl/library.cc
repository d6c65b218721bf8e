#include "net/curl/library.h"

#include <unistd.h>

#include <curl/curl.h>

#include "base/this_machine.h"

namespace weir::net {

Status start_library() {
  // curl's own state of the process; it may be made once only.
  static const CURLcode kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kStarted == CURLE_OK) return {};
  return fail(ErrorCode::kInternal, "libcurl does not start: {}", curl_easy_strerror(kStarted));
}

Result<std::string> authorities(std::string ca_file) {
  if (ca_file.empty()) return system_ca_file();
  if (access(ca_file.c_str(), R_OK) == 0) return ca_file;
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("the file of authorities '{}' cannot be read", ca_file),
                        "name a PEM file with the certificate that signed the server's");
}

}  // namespace weir::net
