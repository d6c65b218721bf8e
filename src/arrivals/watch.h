#pragma once

/// Which runs are due because files arrived. Looks at stores when it is asked, remembers in the
/// catalog, and decides; it starts nothing, has no thread and does not wait. Events only say where
/// to look sooner: what is there the stores themselves are asked.
///
/// A run is decided in one transaction (its files become `due` with its run_key) before anybody
/// hears of it. It is handed out by each poll until a run of that key is there. So an event that
/// comes twice, two servers, or a crash in between give one run.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arrivals/trigger.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "catalog/catalog.h"
#include "storage/storage.h"

namespace weir::arrivals {

struct DueFile {
  std::string name;  ///< `layer/name`
  int64_t size_bytes = 0;
  std::string version;
  std::string sha256;  ///< Empty where the trigger compares versions.
};

/// A run to be started, by `run_key`, with the trigger `file`.
struct DueRun {
  std::string flow_id;
  std::string run_key;  ///< `file:<identity>`: unique within the flow.
  /// Those of the trigger; `trigger.files` the names; `trigger.file` where it is one;
  /// `trigger.key.<group>` of a key.
  Json params = Json::object();
  std::vector<DueFile> files;
};

/// Something that should have come. It is told once while this Watch lives; whoever tells people
/// takes `fact_key` for the message's key, and tells it once for ever.
struct LateFact {
  std::string flow_id;
  std::string fact_key;
  std::string kind;  ///< `waiting` (deadline), `silent` (silence) or `missing` (expected)
  std::string key;   ///< Of the files: their key, or the name of one; empty where any would do.
  int64_t since_us = 0;
  std::string text;  ///< For people: what is missing.
};

/// What waits, and for what.
struct Waiting {
  std::string flow_id;
  std::string key;  ///< Of the files, or the name of one.
  std::vector<std::string> files;
  bool is_ready = false;
  std::string why;  ///< Empty where it is ready.
  int64_t since_us = 0;
};

struct Polled {
  std::vector<DueRun> due;
  std::vector<LateFact> late;
  std::vector<Fault> faults;     ///< Of triggers that could not look; they are tried again.
  std::vector<Waiting> waiting;  ///< With Detail::kWaiting; at most 1000 a flow.
  int64_t next_poll_at_us = 0;   ///< No need to ask before, but for wake() and new events.
};

struct WatchOptions {
  int64_t most_runs = 100;  ///< Of one poll; the others are handed out by the next ones.
  /// Content is read for its hash; where more waits than so much, the next poll goes on.
  int64_t most_hashed_bytes = int64_t{1} << 30;
};

/// Everything outlives it.
struct WatchGround {
  catalog::Catalog* catalog = nullptr;
  storage::Stores* stores = nullptr;
};

/// Not for use from several threads at once.
class Watch {
 public:
  Watch(std::vector<Trigger> triggers, WatchGround ground, WatchOptions options = {});
  ~Watch();
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;

  enum class Detail { kDue, kWaiting };
  /// Looks where it is time to, writes what is new, and gives what is due. Times are UTC. A fault
  /// of one trigger leaves the others alone; an Error is about the catalog, or a wish to stop.
  Result<Polled> poll(int64_t now_us, const Cancel& cancel, Detail detail = Detail::kDue);

  /// The same without writing, reading content or deciding: what `list` shows. Nothing is due then.
  Result<Polled> look(int64_t now_us, const Cancel& cancel);

  /// The next poll looks at this file: `layer/name`, or its URI. Unknown ones are nobody's.
  void wake(const std::string& file);
  /// The next poll lists what lies at the URI, or below it; all where it is empty.
  void wake_folder(const std::string& uri);

  int64_t next_poll_at_us() const;
  /// The roots of layers that are watched, each once.
  std::vector<std::string> uris() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weir::arrivals
