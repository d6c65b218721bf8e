#pragma once

/// Every request passes here twice: once its head is there, when it is judged who calls and whether
/// they may, and once its body is, when it is done. What is refused is refused before a byte of its
/// body was read.

#include <string>
#include <string_view>
#include <variant>

#include "server/message.h"
#include "server/route.h"

namespace weir::server {

/// Safe to use from many threads at once.
class Gate {
 public:
  explicit Gate(const Ground& ground) : ground_(ground) {}

  struct Admitted {
    Call call;
    int64_t started_us = 0;
  };
  using Admission = std::variant<Answer, Admitted>;

  /// Asks the catalog, so it may take a while; not for what is_quick() says.
  Admission admit(const RequestHead& head);
  /// Whether the request is answered without asking anybody: health.
  static bool is_quick(const RequestHead& head);
  /// Tells the audit log of what changes something, before and after; without it nothing is done.
  Answer perform(Admitted admitted, std::string_view body);

  /// An answer to what could not be read as a request at all.
  Answer refuse(ErrorCode code, int status, std::string message, std::string hint, bool is_tls);

 private:
  std::variant<Answer, Call> judge(const RequestHead& head, const std::string& request_id,
                                   std::string& route_name);
  Result<Caller> authenticate(const RequestHead& head);
  Status authorize(Call& call);
  Status find_object(Call& call);
  Answer unauthenticated(const Error& error, const std::string& request_id);
  Result<Answer> carry_out(Call& call, std::string_view body);
  Status tell(const Call& call, const std::string& outcome, ErrorCode code);
  Answer failed(const Error& error, const std::string& request_id, std::string_view route);
  Answer finish(Answer answer, const std::string& request_id, bool is_tls, std::string_view route,
                int64_t started_us);

  const Ground& ground_;
};

/// Whether a request that changes something comes from a page of this server: by `Sec-Fetch-Site`,
/// or by `Origin` where a browser does not send it. `needs_proof` false: a request that says
/// neither comes from no browser. kDenied.
Status check_same_origin(const RequestHead& head, bool needs_proof);

}  // namespace weir::server
