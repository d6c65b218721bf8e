#include "arrivals/queue.h"

#include <algorithm>

#include "arrivals/event.h"
#include "base/option_reader.h"
#include "base/printable.h"
#include "net/url.h"

namespace weir::arrivals {
namespace {

/// `sqs.eu-west-1.amazonaws.com` says its region.
std::string region_of(const std::string& host) {
  constexpr std::string_view kStart = "sqs.";
  const auto end = host.find(".amazonaws.com");
  if (!host.starts_with(kStart) || end == std::string::npos || end <= kStart.size()) return "";
  return host.substr(kStart.size(), end - kStart.size());
}

Result<int64_t> store(const std::vector<FileEvent>& read, catalog::Catalog& catalog) {
  std::vector<catalog::InboxEvent> events;
  for (const auto& event : read) events.push_back(inbox_event(event));
  return catalog.add_events(events);
}

}  // namespace

Result<SqsSettings> read_sqs_settings(const Json& options) {
  SqsSettings settings;
  WEIR_TRY(read_options("sqs", options,
                        {{"queue_url", into_text(settings.queue_url)},
                         {"region", into_text(settings.region)},
                         {"endpoint", into_text(settings.endpoint)},
                         {"ca_file", into_text(settings.ca_file)},
                         {"profile", into_text(settings.profile)},
                         {"role_arn", into_text(settings.role_arn)},
                         {"external_id", into_text(settings.external_id)}}));
  if (settings.queue_url.empty())
    return fail_with_hint(
        ErrorCode::kInvalidConfig, "a connection of kind 'sqs' needs the option 'queue_url'",
        "write queue_url: https://sqs.eu-west-1.amazonaws.com/123456789012/arrivals");
  const auto url = net::parse_url(settings.queue_url);
  if (!url) return std::unexpected(Error(url.error()).while_doing("reading option 'queue_url'"));
  if (!settings.endpoint.empty()) {
    const auto endpoint = net::parse_url(settings.endpoint);
    if (!endpoint)
      return std::unexpected(Error(endpoint.error()).while_doing("reading option 'endpoint'"));
  }
  if (settings.region.empty()) settings.region = region_of(url->host);
  return settings;
}

Result<TakenIn> take_in(Queue& queue, catalog::Catalog& catalog, Clock& clock, int64_t wait_ms,
                        const Cancel& cancel) {
  WEIR_ASSIGN(const auto messages, queue.receive(wait_ms, cancel));
  TakenIn taken;
  std::vector<catalog::InboxEvent> events;
  for (const auto& message : messages) {
    ++taken.messages;
    const auto read = read_events(message.body, clock.now_us());
    if (!read) {
      ++taken.unreadable;
      events.push_back(unreadable_event(message.body, read.error()));
      continue;
    }
    for (const auto& event : *read) events.push_back(inbox_event(event));
  }
  WEIR_ASSIGN(taken.new_events, catalog.add_events(events));
  WEIR_TRY(queue.forget(messages, cancel));
  return taken;
}

Result<int64_t> take_body(std::string_view body, catalog::Catalog& catalog, Clock& clock) {
  WEIR_ASSIGN(const auto read, read_events(body, clock.now_us()));
  return store(read, catalog);
}

Result<int64_t> take_body_for(const std::vector<Trigger>& triggers, std::string_view body,
                              catalog::Catalog& catalog, Clock& clock) {
  WEIR_ASSIGN(const auto read, read_events(body, clock.now_us()));
  for (const auto& event : read) {
    const bool is_own = std::ranges::any_of(
        triggers, [&](const Trigger& trigger) { return trigger.has_root_of(event.file); });
    if (!is_own)
      return fail_with_hint(
          ErrorCode::kInvalidData,
          fmt::format("'{}' lies in no layer that is watched here", printable(event.file)),
          "send the events of the buckets that the file_trigger names, no others");
  }
  return store(read, catalog);
}

}  // namespace weir::arrivals
