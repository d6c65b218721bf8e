/// Http over libcurl's easy interface. Each handle keeps its own connections; a pool lends one
/// handle to one request at a time, so that no handle is used by two threads.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>

#include "base/check.h"
#include "net/curl/exchange.h"
#include "net/http.h"
#include "net/url.h"

namespace weir::net {
namespace {

/// Where distributions keep the authorities that they trust: a libcurl that came along from another
/// one looks in the wrong place.
std::string system_ca_file() {
  constexpr std::array kPlaces = {"/etc/ssl/certs/ca-certificates.crt",
                                  "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
                                  "/etc/ssl/cert.pem"};
  for (const char* place : kPlaces)
    if (access(place, R_OK) == 0) return place;
  return {};
}

Status start_library() {
  // curl's own state of the process; it may be made once only.
  static const CURLcode kStarted = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (kStarted == CURLE_OK) return {};
  return fail(ErrorCode::kInternal, "libcurl does not start: {}", curl_easy_strerror(kStarted));
}

class CurlHttp final : public Http {
 public:
  explicit CurlHttp(HttpOptions options) : options_(std::move(options)) {
    if (options_.ca_file.empty()) options_.ca_file = system_ca_file();
  }
  ~CurlHttp() override {
    for (CURL* handle : idle_) curl_easy_cleanup(handle);
  }
  CurlHttp(const CurlHttp&) = delete;
  CurlHttp& operator=(const CurlHttp&) = delete;

  Result<Response> send(const Request& request, const Cancel& cancel) override {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const Url url, parse_url(request.url));
    CURL* handle = take();
    if (handle == nullptr) return fail(ErrorCode::kResourceExhausted, "libcurl has no memory");
    Exchange exchange(handle, options_, request, url, cancel);
    auto response = exchange.run();
    give_back(handle);
    return response;
  }

 private:
  CURL* take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        CURL* handle = idle_.back();
        idle_.pop_back();
        return handle;
      }
    }
    return curl_easy_init();
  }
  void give_back(CURL* handle) {
    curl_easy_reset(handle);  // keeps the connections
    {
      const std::lock_guard lock(mutex_);
      if (idle_.size() < options_.kept_connections) {
        idle_.push_back(handle);
        return;
      }
    }
    curl_easy_cleanup(handle);
  }

  HttpOptions options_;
  std::mutex mutex_;
  std::vector<CURL*> idle_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<Http>> make_http(HttpOptions options) {
  WEIR_TRY(start_library());
  if (!options.ca_file.empty() && access(options.ca_file.c_str(), R_OK) != 0)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("the file of authorities '{}' cannot be read", options.ca_file),
        "name a PEM file with the certificate that signed the server's");
  if (!options.proxy.empty()) WEIR_TRY(parse_url(options.proxy));
  return std::make_unique<CurlHttp>(std::move(options));
}

}  // namespace weir::net
