#include "arrivals/event.h"

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "base/json.h"
#include "base/printable.h"
#include "net/url.h"

namespace weir::arrivals {
namespace {

constexpr size_t kMostEvents = 10'000;
constexpr int kMostWraps = 3;  // a queue's body holds SNS's envelope, which holds EventBridge's
constexpr size_t kKeptBytes = 4000;

std::string text_in(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Json object_in(const Json& json, const char* key) {
  const auto found = json.is_object() ? json.find(key) : json.end();
  return found != json.end() && found->is_object() ? *found : Json::object();
}

/// S3 writes keys as forms do: a blank is '+', the rest %XX.
std::string decoded(std::string key) {
  std::ranges::replace(key, '+', ' ');
  return net::percent_decode(key).value_or(key);
}

FileEvent of_object(const std::string& bucket, const Json& object, const std::string& key,
                    const std::string& time) {
  FileEvent event;
  event.file = fmt::format("s3://{}/{}", bucket, key);
  event.sequencer = text_in(object, "sequencer");
  const std::string etag = text_in(object, "eTag") + text_in(object, "etag");
  event.id =
      fmt::format("{}#{}", event.file,
                  event.sequencer.empty() ? fmt::format("{}-{}", time, etag) : event.sequencer);
  return event;
}

class BodyReader {
 public:
  explicit BodyReader(int64_t received_at_us) : received_at_us_(received_at_us) {}

  Status read_text(std::string_view body, int wraps) {
    WEIR_ASSIGN(const Json json, parse_json(body));
    return read(json, wraps);
  }

  std::vector<FileEvent> events;

 private:
  Status read(const Json& json, int wraps) {
    if (!json.is_object()) return refuse("it is no JSON object");
    if (text_in(json, "Event") == "s3:TestEvent") return {};
    if (const std::string type = text_in(json, "Type"); type.ends_with("Confirmation"))
      return fail_with_hint(
          ErrorCode::kInvalidData, fmt::format("it is a {} of SNS", printable(type)),
          "weir fetches no address that a message names: open its SubscribeURL yourself, once you "
          "see that its host is sns.<region>.amazonaws.com");
    if (text_in(json, "Type") == "Notification" && json.contains("Message")) {
      if (wraps >= kMostWraps) return refuse("too many envelopes are around it");
      return read_text(text_in(json, "Message"), wraps + 1);
    }
    if (json.contains("Records")) return records(json.at("Records"), wraps);
    if (json.contains("detail") && json.contains("detail-type")) return event_bridge(json);
    if (json.contains("file") || json.contains("files")) return plain(json);
    return refuse("it is neither an event of S3 nor {\"file\": \"landing/a.csv\"}");
  }

  static std::unexpected<Error> refuse(std::string message) {
    return fail_with_hint(
        ErrorCode::kInvalidData, std::move(message),
        "send events of S3 or MinIO as they are, or {\"file\": \"<layer>/<name>\"}");
  }

  Status records(const Json& list, int wraps) {
    if (!list.is_array()) return refuse("'Records' is no list");
    for (const Json& record : list) {
      // SNS within a Lambda's envelope.
      const Json sns = object_in(record, "Sns");
      if (sns.contains("Message")) {
        if (wraps >= kMostWraps) return refuse("too many envelopes are around it");
        WEIR_TRY(read_text(text_in(sns, "Message"), wraps + 1));
        continue;
      }
      std::string name = text_in(record, "eventName");
      if (name.starts_with("s3:")) name.erase(0, 3);
      const Json s3 = object_in(record, "s3");
      const std::string bucket = text_in(object_in(s3, "bucket"), "name");
      const Json object = object_in(s3, "object");
      const std::string raw = text_in(object, "key");
      if (name.empty() || bucket.empty() || raw.empty())
        return refuse("a record names no event, bucket or key");
      FileEvent event = of_object(bucket, object, decoded(raw), text_in(record, "eventTime"));
      if (decoded(raw) != raw) event.otherwise = fmt::format("s3://{}/{}", bucket, raw);
      event.is_removal = name.starts_with("ObjectRemoved") || name.starts_with("LifecycleExpir");
      if (event.is_removal || name.starts_with("ObjectCreated") ||
          name.starts_with("ObjectRestore:Completed"))
        WEIR_TRY(take(std::move(event)));
    }
    return {};
  }

  /// Keys stand in its events as they are.
  Status event_bridge(const Json& json) {
    const std::string what = text_in(json, "detail-type");
    const Json detail = object_in(json, "detail");
    const std::string bucket = text_in(object_in(detail, "bucket"), "name");
    const Json object = object_in(detail, "object");
    const std::string key = text_in(object, "key");
    const bool is_removal = what == "Object Deleted";
    if (!is_removal && what != "Object Created" && what != "Object Restore Completed") return {};
    if (bucket.empty() || key.empty()) return refuse("its detail names no bucket or key");
    FileEvent event = of_object(bucket, object, key, text_in(json, "time"));
    event.is_removal = is_removal;
    return take(std::move(event));
  }

  Status plain(const Json& json) {
    Json names = json.contains("files") ? json.at("files") : Json::array();
    if (!names.is_array()) return refuse("'files' is no list");
    if (json.contains("file")) names.push_back(json.at("file"));
    for (const Json& name : names) {
      const std::string file = name.is_string() ? name.get<std::string>() : "";
      const auto slash = file.find('/');
      if (slash == std::string::npos || slash == 0 || slash + 1 == file.size())
        return refuse(fmt::format("{} is no file of a layer", printable(dump_json(name))));
      FileEvent event;
      event.file = file;
      event.id = fmt::format("{}#{}", file, received_at_us_);
      WEIR_TRY(take(std::move(event)));
    }
    return {};
  }

  Status take(FileEvent event) {
    if (events.size() >= kMostEvents)
      return refuse(fmt::format("it holds more than {} events", kMostEvents));
    events.push_back(std::move(event));
    return {};
  }

  const int64_t received_at_us_;
};

/// Sequencers are hexadecimal numbers without a fixed width (S3 user guide, "Event message
/// structure": the shorter one gets zeros on its right).
bool is_earlier(std::string left, std::string right) {
  const size_t width = std::max(left.size(), right.size());
  left.resize(width, '0');
  right.resize(width, '0');
  return left < right;
}

}  // namespace

Result<std::vector<FileEvent>> read_events(std::string_view body, int64_t received_at_us) {
  BodyReader reader(received_at_us);
  WEIR_TRY(while_doing(reader.read_text(body, 0), "reading an event"));
  std::map<std::string, size_t> newest;  // file → place in the list
  for (size_t i = 0; i < reader.events.size(); ++i) {
    const auto [at, is_new] = newest.emplace(reader.events[i].file, i);
    if (!is_new && !is_earlier(reader.events[i].sequencer, reader.events[at->second].sequencer))
      at->second = i;
  }
  std::vector<FileEvent> events;
  for (size_t i = 0; i < reader.events.size(); ++i) {
    const FileEvent& event = reader.events[i];
    if (newest.at(event.file) == i && !event.is_removal) events.push_back(event);
  }
  return events;
}

catalog::InboxEvent inbox_event(const FileEvent& event) {
  Json payload = {{"file", event.file}};
  if (!event.otherwise.empty()) payload["otherwise"] = event.otherwise;
  if (!event.sequencer.empty()) payload["sequencer"] = event.sequencer;
  return {.event_id = event.id, .kind = std::string(kFileKind), .payload = std::move(payload)};
}

FileEvent file_event(const catalog::InboxEvent& event) {
  return {.id = event.event_id,
          .file = text_in(event.payload, "file"),
          .otherwise = text_in(event.payload, "otherwise"),
          .sequencer = text_in(event.payload, "sequencer")};
}

catalog::InboxEvent unreadable_event(std::string_view body, const Error& error) {
  return {.event_id = "body:" + sha256_hex(body),
          .kind = std::string(kUnreadableKind),
          .payload = {{"body", printable(body.substr(0, kKeptBytes))}, {"error", to_line(error)}}};
}

}  // namespace weir::arrivals
