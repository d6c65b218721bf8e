#pragma once

/// A request and its answer as values: nothing here knows of sockets.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir::server {

/// A request but for its body.
struct RequestHead {
  std::string method;  ///< `GET`, …
  std::string target;  ///< As it came: path and query, still encoded.
  std::vector<std::pair<std::string, std::string>> headers;  ///< Names in small letters.
  std::string remote_address;  ///< Of the other end, without its port.
  bool is_tls = false;

  /// Empty where it is not there, or more than once: no header that is read may come twice.
  std::string_view header(std::string_view name) const;
  size_t count(std::string_view name) const;
};

/// An answer that grows: lines of a log while it is written.
class Stream {
 public:
  virtual ~Stream() = default;
  struct Piece {
    std::string text;
    bool is_last = false;
  };
  /// What there is to say since the last time; empty text: nothing. Never called twice at once.
  virtual Piece next() = 0;
};

struct Answer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::unique_ptr<Stream> stream = {};  ///< In place of a body.
};

Answer json_answer(const Json& json, int status = 200);

}  // namespace weir::server
