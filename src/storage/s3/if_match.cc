#include "storage/s3/if_match.h"

#include "storage/object_name.h"

namespace weir::storage::s3 {
namespace {

constexpr std::string_view kNobodysVersion = "\"00000000000000000000000000000000\"";

}  // namespace

Status IfMatch::check(Client& client) {
  if (is_known_ || client.options().endpoint.empty()) return {};
  const std::string key = client.address().prefix() + std::string(kTemporaryPrefix) + "if-match";
  Call call{.method = "PUT",
            .key = key,
            .headers = {{"If-Match", std::string(kNobodysVersion)}},
            .what = fmt::format("ask whether {} replaces on condition", client.options().endpoint),
            .on_conflict = Call::OnConflict::kTryAgain};
  Outcome outcome = client.send(call);
  if (!outcome.response) {
    // Whatever became of the question, what was to be written is not.
    if (outcome.error.code == ErrorCode::kOutcomeUnknown)
      outcome.error.code = ErrorCode::kUnavailable;
    return std::unexpected(std::move(outcome.error));
  }
  const auto& response = *outcome.response;
  const auto lacking = [&](std::string_view how) {
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format("the server {} {} writes with the condition If-Match",
                    client.options().endpoint, how),
        "two writers could replace each other's lock unseen: use a server that has conditional "
        "writes, as Amazon S3, MinIO and versitygw do");
  };
  if (response.status >= 200 && response.status < 300) {
    call.method = "DELETE";
    call.headers.clear();
    static_cast<void>(client.send(call));  // empty, and of a name that no listing shows
    return lacking("ignores the condition of");
  }
  const Refusal refusal = read_refusal(response);
  Error error = to_error(refusal, call.what);
  if (error.code == ErrorCode::kUnsupported) return lacking("does not do");
  if (is_passing(refusal)) return std::unexpected(std::move(error));
  is_known_ = true;
  return {};
}

}  // namespace weir::storage::s3
