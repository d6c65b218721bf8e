#include "storage/s3/client.h"

#include <algorithm>
#include <cstdlib>

#include "base/digest.h"
#include "net/sigv4.h"

namespace weir::storage::s3 {
namespace {

/// Off by more, S3 refuses a request (15 minutes); off by less, it is refused for another reason.
constexpr int64_t kSkewUs = int64_t{5} * 60 * 1'000'000;

bool is_good(const net::Response& response) {
  return response.status >= 200 && response.status < 300;
}

/// CompleteMultipartUpload answers 200 before it knows, and may end with an error.
bool is_error_within(const net::Response& response) {
  return response.body.find("<Error>") != std::string::npos && !read_refusal(response).code.empty();
}

bool is_safe(const Call& call) { return call.method == "GET" || call.method == "HEAD"; }

}  // namespace

struct Client::Tries {
  int64_t until_us = 0;  ///< By the monotonic clock.
  const Cancel* cancel = nullptr;
  int failed = 0;
  bool may_have_acted = false;
  int64_t retry_after_ms = 0;
  int64_t signed_at_us = 0;
  std::string region;            ///< Of the last try.
  net::Credentials credentials;  ///< Of the last try.
  // Each correction is made once a call; what is wrong again is told.
  bool has_set_clock = false;
  bool has_new_keys = false;
  bool has_new_region = false;
};

std::string Client::region() const {
  const std::lock_guard lock(mutex_);
  return region_;
}

Outcome Client::send(const Call& call) {
  Tries tries;
  constexpr int64_t kCleanUpMs = 10'000;
  const bool is_work = call.purpose == Call::Purpose::kWork;
  const int64_t deadline_ms =
      is_work ? options_.deadline_ms : std::min(kCleanUpMs, options_.deadline_ms);
  tries.until_us = ground_.clock->monotonic_us() + deadline_ms * 1000;
  const Cancel never;
  tries.cancel = is_work ? ground_.cancel : &never;
  for (;;) {
    tries.retry_after_ms = 0;
    auto answer = send_once(call, tries);
    const Next next = judge(call, answer, tries);
    const auto give = [&]() -> Outcome {
      if (answer) return {std::move(*answer), {}, tries.may_have_acted};
      return {std::nullopt, std::move(answer).error(), tries.may_have_acted};
    };
    if (next == Next::kGive) return give();
    if (next == Next::kAtOnce) continue;
    if (++tries.failed >= options_.max_tries) return give();
    const int64_t wait_ms =
        std::max(options_.backoff.wait_ms(tries.failed, *ground_.random), tries.retry_after_ms);
    if (ground_.clock->monotonic_us() + wait_ms * 1000 >= tries.until_us) return give();
    if (const auto waited = ground_.wait(wait_ms, *tries.cancel); !waited)
      return {std::nullopt, waited.error(), tries.may_have_acted};
  }
}

Result<net::Response> Client::demand(const Call& call) {
  Outcome outcome = send(call);
  if (outcome.response && is_good(*outcome.response) && !is_error_within(*outcome.response))
    return std::move(*outcome.response);
  Error error = outcome.response ? to_error(read_refusal(*outcome.response), call.what)
                                 : std::move(outcome.error);
  if (error.code == ErrorCode::kUnavailable && outcome.may_have_acted && !is_safe(call))
    error.code = ErrorCode::kOutcomeUnknown;
  return std::unexpected(std::move(error));
}

Result<net::Response> Client::send_once(const Call& call, Tries& tries) {
  WEIR_ASSIGN(tries.credentials, while_doing(ground_.credentials->get(*tries.cancel), call.what));
  tries.region = region();
  net::Request request;
  request.method = call.method;
  request.url = address_.url(tries.region, call.key);
  if (!call.query.empty()) request.url += '?' + call.query;
  request.headers = call.headers;
  request.body = call.body;
  request.answer_limit_bytes = call.answer_limit_bytes;
  request.stall_timeout_ms = options_.stall_timeout_ms;
  request.timeout_ms =
      std::max<int64_t>(1, (tries.until_us - ground_.clock->monotonic_us()) / 1000);
  const std::string sha256 = call.body_sha256.empty() ? sha256_hex(call.body) : call.body_sha256;
  request.headers.push_back({"X-Amz-Content-Sha256", sha256});
  if (options_.is_requester_pays) request.headers.push_back({"X-Amz-Request-Payer", "requester"});
  tries.signed_at_us = ground_.clock->now_us() + clock_offset_us_;
  WEIR_TRY(net::sign(request, tries.credentials,
                     {.region = tries.region,
                      .service = "s3",
                      .at_us = tries.signed_at_us,
                      .path = net::PathForm::kAsSent},
                     sha256));
  int64_t offset_bytes = 0;
  if (call.sink != nullptr) {
    request.sink = [&](std::string_view bytes) {
      const int64_t at = std::exchange(offset_bytes, offset_bytes + std::ssize(bytes));
      return call.sink(at, bytes);
    };
  }
  auto response = ground_.http->send(request, *tries.cancel);
  if (!response) return while_doing(std::move(response), call.what);
  if (is_good(*response) && call.check != nullptr) WEIR_TRY(call.check(*response));
  return response;
}

Client::Next Client::judge(const Call& call, Result<net::Response>& answer, Tries& tries) {
  if (!answer) {
    const ErrorCode code = answer.error().code;
    if (code == ErrorCode::kOutcomeUnknown) tries.may_have_acted = true;
    return code == ErrorCode::kOutcomeUnknown || code == ErrorCode::kUnavailable ? Next::kAfterWait
                                                                                 : Next::kGive;
  }
  if (is_good(*answer) && !is_error_within(*answer)) return Next::kGive;
  return judge_refusal(call, *answer, tries);
}

Client::Next Client::judge_refusal(const Call& call, const net::Response& response, Tries& tries) {
  const Refusal refusal = read_refusal(response);
  if (corrects_clock(response, tries) || corrects_region(refusal, tries) ||
      corrects_keys(refusal, tries))
    return Next::kAtOnce;
  if (refusal.status == 409 && call.on_conflict == Call::OnConflict::kTryAgain)
    return Next::kAfterWait;
  if (!is_passing(refusal)) return Next::kGive;
  if (!is_safe(call) && may_have_acted(refusal)) tries.may_have_acted = true;
  tries.retry_after_ms = net::retry_after_ms(response, ground_.clock->now_us());
  return Next::kAfterWait;
}

bool Client::corrects_clock(const net::Response& response, Tries& tries) {
  // Told by the clocks, not by the code: an answer to HEAD has none.
  const auto* date = net::find_header(response.headers, "date");
  if (response.status != 403 || tries.has_set_clock || date == nullptr) return false;
  const auto server_us = net::parse_http_date(*date);
  if (!server_us || std::llabs(*server_us - tries.signed_at_us) < kSkewUs) return false;
  clock_offset_us_ = *server_us - ground_.clock->now_us();
  return tries.has_set_clock = true;
}

bool Client::corrects_keys(const Refusal& refusal, Tries& tries) {
  if (!is_about_keys(refusal) || tries.has_new_keys) return false;
  // Without a word about keys only those can be the cause that end some day.
  if (refusal.code.empty() && tries.credentials.session_token.empty()) return false;
  ground_.credentials->forget(tries.credentials);
  return tries.has_new_keys = true;
}

bool Client::corrects_region(const Refusal& refusal, Tries& tries) {
  if (!is_about_region(refusal) || refusal.region.empty() || tries.has_new_region) return false;
  if (refusal.region == tries.region) return false;
  const std::lock_guard lock(mutex_);
  region_ = refusal.region;
  return tries.has_new_region = true;
}

}  // namespace weir::storage::s3
