#include "server/problem.h"

#include "base/redact.h"

namespace weir::server {
namespace {

/// A few words for people; RFC 9457 wants the same for the same type.
std::string_view title(int status) {
  switch (status) {
    case 400: return "The request cannot be read";
    case 401: return "Sign in first";
    case 403: return "Not allowed";
    case 404: return "Not found";
    case 405: return "No such method here";
    case 409: return "In conflict with how things stand";
    case 413: return "The request is too large";
    case 415: return "The body is of another type";
    case 422: return "The configuration or the data is at fault";
    case 429: return "Too many attempts";
    case 431: return "The head of the request is too large";
    case 501: return "This server does not do that";
    case 503: return "Not now";
    default: return "Something went wrong";
  }
}

std::string_view without_details(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable: return "a service that weir stands on does not answer";
    case ErrorCode::kResourceExhausted: return "the server has too much to do";
    case ErrorCode::kOutcomeUnknown: return "whether it was done is not known";
    case ErrorCode::kCancelled: return "the server is stopping";
    case ErrorCode::kCorrupt: return "a row of the catalog cannot be read";
    default: return "the server failed";
  }
}

}  // namespace

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidData: return 400;
    case ErrorCode::kDenied: return 403;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kConflict:
    case ErrorCode::kAlreadyExists: return 409;
    case ErrorCode::kInvalidConfig:
    case ErrorCode::kCheckFailed:
    case ErrorCode::kSchemaDrift: return 422;
    case ErrorCode::kUnsupported: return 501;
    case ErrorCode::kUnavailable:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kCancelled: return 503;
    case ErrorCode::kOutcomeUnknown:
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal: break;
  }
  return 500;
}

bool is_told(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kOutcomeUnknown:
    case ErrorCode::kCancelled:
    case ErrorCode::kCorrupt:
    case ErrorCode::kInternal: return false;
    default: return true;
  }
}

Answer problem(const Error& with_secrets, const std::string& request_id, int status) {
  const Error error = without_secrets(with_secrets);
  if (status == 0) status = http_status(error.code);
  Json json = {{"type", fmt::format("urn:weir:error:{}", to_text(error.code))},
               {"title", title(status)},
               {"status", status},
               {"code", to_text(error.code)},
               {"request_id", request_id}};
  if (is_told(error.code)) {
    json["detail"] = error.message;
    json["hint"] = error.hint;
    if (!error.trail.empty()) json["trail"] = error.trail;
  } else {
    json["detail"] = without_details(error.code);
    json["hint"] = fmt::format("the server's log has more under {}", request_id);
  }
  Answer answer = json_answer(json, status);
  answer.content_type = "application/problem+json";
  if (status == 503) answer.headers.emplace_back("Retry-After", "5");
  return answer;
}

Answer problem(ErrorCode code, int status, std::string message, std::string hint,
               const std::string& request_id) {
  return problem(Error{code, std::move(message), {}, std::move(hint), std::nullopt}, request_id,
                 status);
}

}  // namespace weir::server
