#pragma once

/// A small HTTP/1.1 server of a test's own on 127.0.0.1 and a free port, which answers as a script
/// says: also wrongly, half or never. It is no model of a server, and knows one kind of client.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace weir::testing {

/// What came in.
struct Asked {
  std::string method;
  std::string target;  ///< `/bucket/key?list-type=2`, as sent.
  net::Headers headers;
  std::string body;
  int connection = 0;  ///< The how manyth connection it came on, from 1.

  std::string header(std::string_view name) const {
    const auto* value = net::find_header(headers, name);
    return value == nullptr ? std::string() : *value;
  }
};

/// How an answer ends.
enum class Ending {
  kWhole,
  kReset,      ///< Nothing is answered; the connection is reset.
  kTruncated,  ///< Half of the body, then the connection is closed.
  kHalfHead,   ///< Headers without their end, then the connection is closed.
  kSilent,     ///< Nothing is answered until the client goes away.
};

struct Answer {
  int status = 200;
  net::Headers headers = {};
  std::string body = {};
  Ending ending = Ending::kWhole;
  int64_t said_bytes = -1;  ///< `Content-Length`; -1: what the body has.
};

/// Called for each request, from the threads of the connections, one at a time.
using Script = std::function<Answer(const Asked&)>;

/// A certificate for 127.0.0.1 that signs itself, and its key.
struct Certificate {
  std::string folder;  ///< Removed with the object.
  std::string certificate_file;
  std::string key_file;
  Certificate();
  ~Certificate();
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;  ///< Closes all connections.
  /// `http://127.0.0.1:port`, or https.
  virtual std::string url() const = 0;
  virtual int port() const = 0;
  /// All that was asked so far.
  virtual std::vector<Asked> asked() const = 0;
};

/// With a certificate: TLS only.
std::unique_ptr<HttpServer> start_http_server(Script script,
                                              const Certificate* certificate = nullptr);

}  // namespace weir::testing
