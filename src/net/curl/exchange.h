#pragma once

/// One request on one curl handle: what is set, what is collected, and what a failure means.

#include <optional>

#include <curl/curl.h>

#include "net/curl/unpacker.h"
#include "net/http.h"
#include "net/url.h"

namespace weir::net {

/// Used once, by one thread. Everything given outlives it.
class Exchange {
 public:
  Exchange(CURL* handle, const HttpOptions& options, const Reach& reach, const Request& request,
           const Url& url, const Cancel& cancel)
      : handle_(handle),
        options_(options),
        reach_(reach),
        request_(request),
        url_(url),
        cancel_(cancel) {}
  ~Exchange() { curl_slist_free_all(header_list_); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Result<Response> run();

 private:
  Status set_up();
  void set_transport();
  void set_body();
  Status set_headers();
  Error failure_of(CURLcode code) const;
  Error connect_failure(CURLcode code) const;
  bool may_have_acted() const;
  bool has_body() const;
  /// `GET https://host/path`, for messages.
  std::string said() const;

  static size_t on_header(char* bytes, size_t one, size_t size, void* self);
  static size_t on_answer(char* bytes, size_t one, size_t size, void* self);
  static size_t on_upload(char* to, size_t one, size_t most, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address);
  static int on_connected(void* self, char*, char*, int, int);
  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  Status take_answer(std::string_view bytes);
  /// The same of bytes that may be packed.
  Status take_body(std::string_view bytes);
  Status check_whole() const;

  CURL* handle_;
  const HttpOptions& options_;
  const Reach& reach_;
  const Request& request_;
  const Url& url_;
  const Cancel& cancel_;
  curl_slist* header_list_ = nullptr;
  char error_text_[CURL_ERROR_SIZE] = {};
  Response response_;
  bool has_head_ = false;             ///< To its end.
  std::optional<Unpacker> unpacker_;  ///< Of an answer that is packed.
  int times_sent_ = 0;
  size_t header_bytes_ = 0;
  int64_t answer_bytes_ = 0;
  std::string_view unsent_;           ///< What is left of `body`, or of the reader's last piece.
  std::optional<Error> own_failure_;  ///< Why a callback ended the exchange.
  std::string out_of_reach_;          ///< The last address that was not connected to, and why.
};

}  // namespace weir::net
