/// Http over libcurl's easy interface. Each handle keeps its own connections; a pool lends one
/// handle to one request at a time, so that no handle is used by two threads.

#include <mutex>

#include "base/check.h"
#include "net/curl/exchange.h"
#include "net/curl/library.h"
#include "net/http.h"
#include "net/url.h"

namespace weir::net {
namespace {

class CurlHttp final : public Http {
 public:
  CurlHttp(HttpOptions options, Reach reach) : options_(std::move(options)), reach_(reach) {}
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
    Exchange exchange(handle, options_, reach_, request, url, cancel);
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
  const Reach reach_;
  std::mutex mutex_;
  std::vector<CURL*> idle_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace

Result<std::unique_ptr<Http>> make_http(HttpOptions options, Reach reach) {
  WEIR_TRY(start_library());
  WEIR_ASSIGN(options.ca_file, authorities(std::move(options.ca_file)));
  if (!options.proxy.empty()) WEIR_TRY(parse_url(options.proxy));
  return std::make_unique<CurlHttp>(std::move(options), reach);
}

}  // namespace weir::net
