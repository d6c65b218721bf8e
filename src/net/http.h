#pragma once

/// One request and its answer over HTTP/1.1 (RFC 9110, RFC 9112). It verifies TLS peers always
/// (version 1.2 or newer), follows no redirect, takes no proxy from the environment and keeps
/// connections for the next request. It knows nothing of credentials, retries or what a status
/// means.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/reach.h"

namespace weir::net {

struct Header {
  std::string name;
  std::string value;
  bool operator==(const Header&) const = default;
};
using Headers = std::vector<Header>;

/// The first header of that name (in any case), or nullptr.
const std::string* find_header(const Headers& headers, std::string_view name);

/// Gives the next bytes of a body, at most `most`; none at its end. An error ends the request.
using BodyReader = std::function<Result<std::string_view>(size_t most)>;

/// Takes the next bytes of an answer. An error ends the request and is what send() gives.
using BodySink = std::function<Status(std::string_view bytes)>;

struct Request {
  std::string method = "GET";
  std::string url;
  Headers headers;        ///< `Host`, `Content-Length` and `Connection` are the transport's.
  std::string_view body;  ///< Lives until send() is over.
  /// In place of `body`: what it gives is sent, in all `body_bytes` bytes.
  BodyReader body_reader = nullptr;
  int64_t body_bytes = 0;
  /// Takes the body of an answer 200–299; others are kept in Response::body, so that the words of a
  /// refusal are there.
  BodySink sink = nullptr;
  int64_t answer_limit_bytes = int64_t{64} << 20;  ///< More is kResourceExhausted; sinks count too.
  bool takes_compressed = false;                   ///< Offers gzip; limits count what is unpacked.
  int64_t connect_timeout_ms = 10'000;
  int64_t stall_timeout_ms = 60'000;  ///< For so long less than a byte a second went by.
  int64_t timeout_ms = 300'000;       ///< From the start to the last byte.
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

struct HttpOptions {
  std::string ca_file;  ///< PEM; empty: the system's authorities.
  std::string proxy;    ///< `http://host:port`; empty: none.
  std::string user_agent = "weir";
  size_t kept_connections = 16;
};

/// Safe to use from many threads at once.
class Http {
 public:
  virtual ~Http() = default;

  /// The answer, whatever its status, once its whole body is there.
  /// kUnavailable: there was none, and the request did not get there, or its method is GET or HEAD.
  /// kOutcomeUnknown: there was none, or not all of it, though the request may have acted.
  /// kDenied: the server's certificate does not hold, or its address is out of reach (net/reach.h).
  /// kInvalidConfig: no URL, or no such CA file.
  /// kCancelled as `cancel` says. The text names host and path, never a query or a header.
  virtual Result<Response> send(const Request& request, const Cancel& cancel) = 0;
};

/// kInvalidConfig where the CA file cannot be read. The process must ignore SIGPIPE, as app/ makes
/// it: a connection that the peer closed would end it. Who makes a client says how far it may
/// reach; with a proxy that is the proxy's address.
Result<std::unique_ptr<Http>> make_http(HttpOptions options, Reach reach);

/// `Retry-After` (RFC 9110 section 10.2.3), seconds or a date, as milliseconds from `now_us`: at
/// most a day, 0 where there is none.
int64_t retry_after_ms(const Response& response, int64_t now_us);

/// The instant of a header like `Date` or `Last-Modified` (RFC 9110 section 5.6.7, the preferred
/// form only), UTC. kInvalidData for anything else.
Result<int64_t> parse_http_date(std::string_view text);

}  // namespace weir::net
