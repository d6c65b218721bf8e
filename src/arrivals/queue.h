#pragma once

/// Queues that tell of files: what they hold goes into the inbox of the catalog, and only then out
/// of the queue. So a crash in between tells it twice, and the inbox takes it once.

#include <memory>
#include <string>
#include <vector>

#include "arrivals/trigger.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "net/aws_json.h"

namespace weir::arrivals {

/// The options of a connection of kind `sqs`.
struct SqsSettings {
  std::string queue_url;  ///< `https://sqs.<region>.amazonaws.com/<account>/<name>`
  std::string region;     ///< Empty: that of the URL.
  std::string endpoint;   ///< Empty: the region's own.
  std::string ca_file;
  std::string profile;
  std::string role_arn;
  std::string external_id;
};
/// kInvalidConfig names the option, with did-you-mean.
Result<SqsSettings> read_sqs_settings(const Json& options);

struct Message {
  std::string body;
  std::string receipt;  ///< By which the queue forgets it.
};

/// Safe to use from many threads at once.
class Queue {
 public:
  virtual ~Queue() = default;
  /// Up to ten messages; waits for the first so long, at most 20 s. They stay in the queue, unseen
  /// by others for a while.
  virtual Result<std::vector<Message>> receive(int64_t wait_ms, const Cancel& cancel) = 0;
  /// They leave the queue. What it does not forget comes again.
  virtual Status forget(const std::vector<Message>& messages, const Cancel& cancel) = 0;
};

/// Amazon SQS by its JSON protocol.
std::unique_ptr<Queue> make_sqs_queue(SqsSettings settings, net::AwsGround ground);

struct TakenIn {
  int64_t messages = 0;
  int64_t new_events = 0;
  int64_t unreadable = 0;  ///< Kept in the inbox with what is wrong with them.
};
/// Messages of one receive() into the inbox, then out of the queue.
Result<TakenIn> take_in(Queue& queue, catalog::Catalog& catalog, Clock& clock, int64_t wait_ms,
                        const Cancel& cancel);

/// What a webhook does with a body: its events into the inbox. How many were new. kInvalidData, and
/// nothing is written, where it is not understood.
Result<int64_t> take_body(std::string_view body, catalog::Catalog& catalog, Clock& clock);
/// The same of a sender that may tell of these triggers' files alone: kInvalidData, and nothing is
/// written, where one lies below none of their roots.
Result<int64_t> take_body_for(const std::vector<Trigger>& triggers, std::string_view body,
                              catalog::Catalog& catalog, Clock& clock);

}  // namespace weir::arrivals
