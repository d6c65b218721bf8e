#pragma once

/// Events that say that a file came: of S3 (as it sends them to a queue, through SNS or
/// EventBridge), of MinIO's webhook, and a plain `{"file": "landing/a.csv"}`. A pure function of
/// the body. An event only says where to look: what is there the store itself is asked.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "catalog/arrivals.h"

namespace weir::arrivals {

struct FileEvent {
  std::string id;    ///< The same for the same event, however often it is delivered.
  std::string file;  ///< `s3://bucket/key`, or `layer/name`.
  /// How the key reads where the sender did not encode it; empty where that is the same.
  std::string otherwise;
  std::string sequencer;  ///< Of two events of one key the greater is later; empty: not said.
  bool is_removal = false;
};

/// The events of one body, at most 10,000; none for a test event and for what is not about files
/// that came or went. Of several about one key only the last by its sequencer stays. Removals are
/// left out. kInvalidData, saying what is not understood, for all else.
/// A plain one has no id of its own: each is a new one, by `received_at_us`.
Result<std::vector<FileEvent>> read_events(std::string_view body, int64_t received_at_us);

/// As it stands in the inbox, and back.
inline constexpr std::string_view kFileKind = "file";
catalog::InboxEvent inbox_event(const FileEvent& event);
FileEvent file_event(const catalog::InboxEvent& event);

/// A body that nobody understands is kept, too, so that nothing is lost without a word.
inline constexpr std::string_view kUnreadableKind = "unreadable";
catalog::InboxEvent unreadable_event(std::string_view body, const Error& error);

}  // namespace weir::arrivals
