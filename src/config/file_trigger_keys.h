#pragma once

/// What stands below `file_trigger:` of a flow; which words go together model/file_trigger.h says.

#include "config/keys.h"

namespace weir::config {

/// Values are read for their faults and kept as written.
struct FileTriggerWords {
  std::string pattern;
  Json set = Json::object();
  std::string key;
  std::string batch;
  std::optional<int64_t> max_files;
  std::string max_bytes;
  std::optional<int64_t> at_most_every_ms;
  std::optional<int64_t> settle_ms;
  std::string marker;
  std::string manifest;
  std::string control;
  std::optional<int64_t> expect;
  std::optional<int64_t> quiet_ms;
  std::optional<int64_t> deadline_ms;
  std::optional<int64_t> silence_ms;
  std::optional<int64_t> poll_ms;
  std::string events;
  std::string existing;
  std::string identity;
  Json expected = Json::object();
  Json params = Json::object();
};

const Keys<FileTriggerWords>& file_trigger_keys();

}  // namespace weir::config
