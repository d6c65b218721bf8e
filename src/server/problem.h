#pragma once

/// Errors as answers: RFC 9457 `application/problem+json` with weir's code and hint. What went
/// wrong inside is logged under the request's id and not told.

#include <string>

#include "base/result.h"
#include "server/message.h"

namespace weir::server {

/// The status that a code has, unless a route says another.
int http_status(ErrorCode code);

/// Whether the caller may read the texts of such an error: it concerns what they asked for. Others
/// concern the machine.
bool is_told(ErrorCode code);

/// `status` 0: that of the code.
Answer problem(const Error& error, const std::string& request_id, int status = 0);

/// The same from words.
Answer problem(ErrorCode code, int status, std::string message, std::string hint,
               const std::string& request_id);

}  // namespace weir::server
