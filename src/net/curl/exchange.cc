#include "net/curl/exchange.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <sys/socket.h>

#include "base/printable.h"

namespace weir::net {
namespace {

constexpr size_t kMostHeaderBytes = size_t{256} << 10;

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_safe(const std::string& method) { return method == "GET" || method == "HEAD"; }

}  // namespace

Result<Response> Exchange::run() {
  WEIR_TRY(set_up());
  const CURLcode code = curl_easy_perform(handle_);
  if (code != CURLE_OK) return std::unexpected(failure_of(code));
  if (Status whole = check_whole(); !whole) {
    Error error = std::move(whole).error();
    if (may_have_acted()) error.code = ErrorCode::kOutcomeUnknown;
    return std::unexpected(std::move(error));
  }
  return std::move(response_);
}

/// curl is content with the start of a head, and with the start of a gzip.
Status Exchange::check_whole() const {
  if (!has_head_)
    return fail(ErrorCode::kUnavailable, "{}: the answer ended within its headers", said());
  if (!unpacker_) return {};
  return while_doing(unpacker_->finish(), said());
}

Status Exchange::set_up() {
  // The URL was read by parse_url; curl must send it as it was signed.
  curl_easy_setopt(handle_, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(handle_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, error_text_);
  set_transport();
  set_body();
  curl_easy_setopt(handle_, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, on_answer);
  curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle_, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle_, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(handle_, CURLOPT_XFERINFODATA, this);
  return set_headers();
}

void Exchange::set_transport() {
  curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle_, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(handle_, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.ca_file.empty())
    curl_easy_setopt(handle_, CURLOPT_CAINFO, options_.ca_file.c_str());
  // An empty proxy also keeps curl from reading http_proxy of the environment.
  curl_easy_setopt(handle_, CURLOPT_PROXY, options_.proxy.c_str());
  curl_easy_setopt(handle_, CURLOPT_USERAGENT, options_.user_agent.c_str());
  curl_easy_setopt(handle_, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request_.connect_timeout_ms));
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::max<int64_t>(1, request_.timeout_ms)));
  curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(std::max<int64_t>(1, request_.stall_timeout_ms / 1000)));
  curl_easy_setopt(handle_, CURLOPT_OPENSOCKETFUNCTION, on_socket);
  curl_easy_setopt(handle_, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(handle_, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(handle_, CURLOPT_PREREQDATA, this);
}

bool Exchange::has_body() const {
  return request_.method == "PUT" || request_.method == "POST" || request_.method == "PATCH" ||
         !request_.body.empty() || request_.body_reader != nullptr;
}

void Exchange::set_body() {
  unsent_ = request_.body;
  if (request_.method == "HEAD") {
    curl_easy_setopt(handle_, CURLOPT_NOBODY, 1L);
  } else if (has_body()) {
    const auto size = request_.body_reader != nullptr ? request_.body_bytes
                                                      : static_cast<int64_t>(request_.body.size());
    curl_easy_setopt(handle_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(size));
    curl_easy_setopt(handle_, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(handle_, CURLOPT_READDATA, this);
    curl_easy_setopt(handle_, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(handle_, CURLOPT_SEEKDATA, this);
    curl_easy_setopt(handle_, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  }
  curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  curl_easy_setopt(handle_, CURLOPT_BUFFERSIZE, 256L << 10);
}

Status Exchange::set_headers() {
  const auto add = [this](const std::string& line) {
    curl_slist* longer = curl_slist_append(header_list_, line.c_str());
    if (longer != nullptr) header_list_ = longer;
    return longer != nullptr;
  };
  // Without it curl waits a second for a "100 Continue" that many servers never send.
  bool is_whole = add("Expect:");
  if (request_.takes_compressed) is_whole = is_whole && add("Accept-Encoding: gzip");
  for (const Header& header : request_.headers) {
    const bool is_one_line =
        header.name.find_first_of("\r\n:") == std::string::npos &&
        header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos;
    if (header.name.empty() || !is_one_line)
      return fail(ErrorCode::kInvalidConfig, "a value of the header '{}' has a line end",
                  printable(header.name));
    // curl drops a header that ends in ':', and sends an empty one for ';'.
    is_whole = is_whole &&
               add(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  if (!is_whole) return fail(ErrorCode::kResourceExhausted, "no memory for the headers");
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, header_list_);
  return {};
}

size_t Exchange::on_header(char* bytes, size_t one, size_t size, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  const std::string_view line(bytes, one * size);
  exchange.header_bytes_ += line.size();
  if (exchange.header_bytes_ > kMostHeaderBytes) {
    exchange.own_failure_ =
        fail(ErrorCode::kInvalidData, "{}: the answer has more than {} bytes of headers",
             exchange.said(), kMostHeaderBytes)
            .error();
    return 0;
  }
  exchange.has_head_ = trimmed(line).empty() || exchange.has_head_;
  if (line.starts_with("HTTP/")) {
    exchange.has_head_ = false;
    exchange.unpacker_.reset();
    // Another one after "100 Continue": only the last counts.
    exchange.response_ = {};
    const auto space = line.find(' ');
    if (space != std::string_view::npos)
      std::from_chars(line.data() + space + 1, line.data() + line.size(),
                      exchange.response_.status);
    return line.size();
  }
  if (const auto colon = line.find(':'); colon != std::string_view::npos)
    exchange.response_.headers.push_back({std::string(trimmed(line.substr(0, colon))),
                                          std::string(trimmed(line.substr(colon + 1)))});
  return line.size();
}

size_t Exchange::on_answer(char* bytes, size_t one, size_t size, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  auto taken = exchange.take_body({bytes, one * size});
  if (taken) return one * size;
  exchange.own_failure_ = std::move(taken).error();
  return 0;
}

Status Exchange::take_body(std::string_view bytes) {
  const std::string* coding =
      request_.takes_compressed ? find_header(response_.headers, "content-encoding") : nullptr;
  if (coding == nullptr || coding->empty() || *coding == "identity") return take_answer(bytes);
  if (*coding != "gzip" && *coding != "x-gzip" && *coding != "deflate")
    return fail(ErrorCode::kInvalidData, "{}: the answer comes as '{}', which nobody asked for",
                said(), printable(*coding));
  if (!unpacker_) unpacker_.emplace();
  return while_doing(
      unpacker_->take(bytes, [this](std::string_view piece) { return take_answer(piece); }),
      said());
}

Status Exchange::take_answer(std::string_view bytes) {
  answer_bytes_ += static_cast<int64_t>(bytes.size());
  if (answer_bytes_ > request_.answer_limit_bytes)
    return fail(ErrorCode::kResourceExhausted, "{}: the answer is longer than {} bytes", said(),
                request_.answer_limit_bytes);
  const bool is_wanted = response_.status >= 200 && response_.status < 300;
  if (is_wanted && request_.sink != nullptr) return request_.sink(bytes);
  if (response_.body.empty() && response_.body.capacity() < bytes.size()) {
    // One allocation for the whole, where the server says how much comes.
    curl_off_t length = -1;
    curl_easy_getinfo(handle_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > 0 && length <= request_.answer_limit_bytes)
      response_.body.reserve(static_cast<size_t>(length));
  }
  response_.body += bytes;
  return {};
}

size_t Exchange::on_upload(char* to, size_t one, size_t most, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  const size_t wanted = one * most;
  if (exchange.unsent_.empty() && exchange.request_.body_reader != nullptr) {
    auto piece = exchange.request_.body_reader(wanted);
    if (!piece) {
      exchange.own_failure_ = std::move(piece).error();
      return CURL_READFUNC_ABORT;
    }
    exchange.unsent_ = *piece;
  }
  const size_t size = std::min(wanted, exchange.unsent_.size());
  if (size > 0) std::memcpy(to, exchange.unsent_.data(), size);
  exchange.unsent_.remove_prefix(size);
  return size;
}

int Exchange::on_seek(void* self, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<Exchange*>(self);
  // A reader runs forward only; then curl gives up, and the caller's retry starts it again.
  if (exchange.request_.body_reader != nullptr || origin != SEEK_SET ||
      offset > static_cast<curl_off_t>(exchange.request_.body.size()))
    return CURL_SEEKFUNC_CANTSEEK;
  exchange.unsent_ = exchange.request_.body.substr(static_cast<size_t>(offset));
  return CURL_SEEKFUNC_OK;
}

curl_socket_t Exchange::on_socket(void* self, curlsocktype, curl_sockaddr* address) {
  // The name is resolved by now and this address is what will be connected to: another answer of
  // the DNS, or an odd spelling of an address, changes nothing.
  auto& exchange = *static_cast<Exchange*>(self);
  if (const auto why = why_out_of_reach(address->addr, exchange.reach_)) {
    exchange.out_of_reach_ = fmt::format("{} is {}", to_text(address->addr), *why);
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int Exchange::on_connected(void* self, char*, char*, int, int) {
  // Where a kept connection breaks before an answer, curl sends the request again on another one
  // and says nothing. The first may have acted: that must be known, unless the method acts never.
  auto& exchange = *static_cast<Exchange*>(self);
  if (++exchange.times_sent_ == 1 || is_safe(exchange.request_.method)) return CURL_PREREQFUNC_OK;
  return CURL_PREREQFUNC_ABORT;
}

int Exchange::on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Exchange*>(self)->cancel_.is_cancelled() ? 1 : 0;
}

std::string Exchange::said() const {
  return fmt::format("{} {}://{}{}", request_.method, url_.scheme, url_.authority(), url_.path);
}

bool Exchange::may_have_acted() const {
  long sent = 0;
  curl_easy_getinfo(handle_, CURLINFO_REQUEST_SIZE, &sent);
  return (sent > 0 || times_sent_ > 1) && !is_safe(request_.method);
}

Error Exchange::failure_of(CURLcode code) const {
  if (own_failure_) return *own_failure_;
  if (code == CURLE_ABORTED_BY_CALLBACK && times_sent_ < 2) {
    if (auto cancelled = cancel_.check(); !cancelled)
      return std::move(cancelled).error().while_doing(said());
  }
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_OUT_OF_MEMORY: return connect_failure(code);
    default: break;
  }
  const ErrorCode outcome = may_have_acted() ? ErrorCode::kOutcomeUnknown : ErrorCode::kUnavailable;
  std::string why =
      code == CURLE_OPERATION_TIMEDOUT ? fmt::format("no whole answer in time ({})", error_text_)
      : code == CURLE_PARTIAL_FILE
          ? fmt::format("the answer ended too early ({})", error_text_)
          : fmt::format("the connection broke ({})",
                        *error_text_ == '\0' ? curl_easy_strerror(code) : error_text_);
  return Error{outcome, fmt::format("{}: {}", said(), printable(why)), {}, {}, std::nullopt};
}

Error Exchange::connect_failure(CURLcode code) const {
  const char* text = *error_text_ == '\0' ? curl_easy_strerror(code) : error_text_;
  const auto failure = [&](ErrorCode kind, std::string_view why, std::string hint) {
    return Error{kind,
                 fmt::format("{}: {}: {}", said(), why, printable(text)),
                 {},
                 std::move(hint),
                 std::nullopt};
  };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return failure(ErrorCode::kUnavailable, "the host's name is not known",
                     "check the name in the endpoint, and this machine's DNS");
    case CURLE_COULDNT_CONNECT:
      if (!out_of_reach_.empty())
        return Error{
            ErrorCode::kDenied,
            fmt::format("{}: not connected: {}", said(), out_of_reach_),
            {},
            "allow_loopback and allow_private of a connection let it into networks of your "
            "own; link and metadata addresses are never reached",
            std::nullopt};
      return failure(ErrorCode::kUnavailable, "nobody answers there",
                     "check host and port of the endpoint, that the server runs, and firewalls");
    case CURLE_PEER_FAILED_VERIFICATION:
      return failure(ErrorCode::kDenied, "the server's certificate does not hold",
                     "give the authority that signed it as the CA file; the host must be the one "
                     "in the certificate");
    case CURLE_SSL_CACERT_BADFILE:
      return failure(ErrorCode::kInvalidConfig,
                     fmt::format("'{}' holds no authorities", options_.ca_file),
                     "the CA file holds certificates as PEM");
    case CURLE_SSL_CONNECT_ERROR:
      return failure(ErrorCode::kUnavailable, "no TLS with the server",
                     "is it plain HTTP there, or older than TLS 1.2?");
    case CURLE_URL_MALFORMAT:
      return failure(ErrorCode::kInvalidConfig, "curl takes no such URL", "");
    default: return failure(ErrorCode::kResourceExhausted, "curl has no memory", "");
  }
}

}  // namespace weir::net
