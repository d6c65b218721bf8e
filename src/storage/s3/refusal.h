#pragma once

/// What S3 says when it does not do what it was asked ("Error responses" of the API reference), and
/// what that means for us.

#include <string>

#include "base/result.h"
#include "net/http.h"

namespace weir::storage::s3 {

struct Refusal {
  int status = 0;
  std::string code;     ///< `NoSuchKey`; empty where the answer has no body (HEAD).
  std::string message;  ///< For people, printable.
  std::string region;   ///< Where the bucket is, if that is said.
  std::string request_id;
};

/// What an answer other than 2xx says; also an answer 200 whose body is an `<Error>`.
Refusal read_refusal(const net::Response& response);

/// Whether the same request may succeed later: throttled, out of order, disturbed on its way.
bool is_passing(const Refusal& refusal);
/// Of a passing one: whether the server may have done what was asked all the same.
bool may_have_acted(const Refusal& refusal);
/// Whether other keys may help: these are expired or unknown.
bool is_about_keys(const Refusal& refusal);
/// Whether the bucket is elsewhere than asked.
bool is_about_region(const Refusal& refusal);

/// The error for a caller. `what` is like "read 'a/b' in 's3://bucket'".
Error to_error(const Refusal& refusal, const std::string& what);

}  // namespace weir::storage::s3
