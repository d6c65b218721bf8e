#pragma once

/// Requests to one bucket: signed, tried again, and corrected where S3 says what was wrong (clock,
/// keys, region). It knows nothing of what the requests are for.

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "storage/s3/address.h"
#include "storage/s3/refusal.h"

namespace weir::storage::s3 {

struct Call {
  std::string method = "GET";
  std::string key = {};    ///< Whole, with the store's prefix; empty: the bucket.
  std::string query = {};  ///< Encoded.
  net::Headers headers = {};
  std::string_view body = {};    ///< Lives until send() is over.
  std::string body_sha256 = {};  ///< Empty: it is computed.
  std::string what = {};         ///< For messages: "read 'a/b' in 's3://bucket'".
  int64_t answer_limit_bytes = int64_t{16} << 20;
  /// Takes the body of an answer 2xx from each `offset_bytes` on; a further try begins at 0 again.
  std::function<Status(int64_t offset_bytes, std::string_view bytes)> sink = nullptr;
  /// kCleanUp goes on after a cancellation, and gives up soon.
  enum class Purpose { kWork, kCleanUp } purpose = Purpose::kWork;
  enum class OnConflict { kGive, kTryAgain } on_conflict = OnConflict::kGive;  ///< At 409.
  /// Judges an answer 2xx; kUnavailable: it is tried again, as disturbed on its way.
  std::function<Status(const net::Response&)> check = nullptr;
};

/// The last answer, whatever it says, or why there was none.
struct Outcome {
  std::optional<net::Response> response;
  Error error;                  ///< Where there is no response.
  bool may_have_acted = false;  ///< A try before may have acted, though its answer was lost.
};

/// Safe to use from many threads at once.
class Client {
 public:
  Client(Address address, S3Options options, S3Ground ground)
      : address_(std::move(address)),
        options_(std::move(options)),
        ground_(std::move(ground)),
        region_(options_.region.empty() ? "us-east-1" : options_.region) {}

  const Address& address() const { return address_; }
  const S3Options& options() const { return options_; }
  const S3Ground& ground() const { return ground_; }

  /// Tries until there is an answer that another try would not change, up to the options' limits.
  Outcome send(const Call& call);

  /// The same for callers whom only success interests: an answer 2xx, or the error that the refusal
  /// means. kOutcomeUnknown where it failed after a try that may have acted.
  Result<net::Response> demand(const Call& call);

 private:
  struct Tries;
  enum class Next { kGive, kAtOnce, kAfterWait };

  Result<net::Response> send_once(const Call& call, Tries& tries);
  Next judge(const Call& call, Result<net::Response>& answer, Tries& tries);
  Next judge_refusal(const Call& call, const net::Response& response, Tries& tries);
  bool corrects_clock(const net::Response& response, Tries& tries);
  bool corrects_keys(const Refusal& refusal, Tries& tries);
  bool corrects_region(const Refusal& refusal, Tries& tries);
  std::string region() const;

  const Address address_;
  const S3Options options_;
  const S3Ground ground_;
  std::atomic<int64_t> clock_offset_us_ = 0;  ///< What S3's clock is ahead of ours.
  mutable std::mutex mutex_;
  std::string region_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::storage::s3
