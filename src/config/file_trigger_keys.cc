#include "config/file_trigger_keys.h"

namespace weir::config {

const Keys<FileTriggerWords>& file_trigger_keys() {
  using Words = FileTriggerWords;
  constexpr int64_t kMostFiles = 100'000;
  static const Keys<Words> kKeys =
      Keys<Words>("")
          .optional("pattern", &Words::pattern, text(),
                    "Files whose arrival starts a run: layer/glob.")
          .optional("set", &Words::set, json_map(),
                    "In place of pattern: member → layer/glob; a run needs a file of each.")
          .optional("key", &Words::key, text(),
                    "Files whose names share the named groups of this belong to one run: "
                    "'(?<day>\\d{8})'.")
          .optional("batch", &Words::batch, choice({"each", "all"}),
                    "One run per file, or one for all that wait.")
          .optional("max_files", &Words::max_files, optional_integer(1, kMostFiles),
                    "With batch: all, of one run; 1000 where it is not said.")
          .optional("max_bytes", &Words::max_bytes, text(),
                    "With batch: all, of one run of several files: 512MB, 2GiB.")
          .optional("at_most_every", &Words::at_most_every_ms, optional_duration(),
                    "With batch: all: a run starts at once, or so long after the one before, with "
                    "all that came meanwhile.")
          .optional("settle", &Words::settle_ms, optional_duration(),
                    "How long a file must not have changed; in buckets 0s, elsewhere 10s where it "
                    "is not said.")
          .optional("marker", &Words::marker, text(),
                    "A file beside it that says that it is whole: '{name}.done', '{stem}.ok'.")
          .optional("manifest", &Words::manifest, text(),
                    "Files that list the files of a run: layer/glob.")
          .optional("control", &Words::control, text(),
                    "Files that say that the files of a key are all there: layer/glob.")
          .optional("expect", &Words::expect, optional_integer(1, kMostFiles),
                    "How many files a key, or a batch, has at least.")
          .optional("quiet", &Words::quiet_ms, optional_duration(),
                    "How long no file of the run may have come.")
          .optional("deadline", &Words::deadline_ms, optional_duration(),
                    "What waits longer for the rest of it is late.")
          .optional("silence", &Words::silence_ms, optional_duration(),
                    "So long without any file is late, too.")
          .optional("expected", &Words::expected, json_map(),
                    "By when a run's files are due: {cron, timezone, calendar, on_holiday, except, "
                    "key, of}; "
                    "what has not come by then is late.")
          .optional("poll", &Words::poll_ms, optional_duration(),
                    "Between two listings; 30s where it is not said, with events 15m.")
          .optional("events", &Words::events, text(), "Connection of kind sqs that tells of files.")
          .optional("existing", &Words::existing, choice({"ignore", "process"}),
                    "What files do that were there before the trigger; ignore where it is not "
                    "said.")
          .optional("identity", &Words::identity, choice({"content", "version"}),
                    "Whether the same bytes under the same name are a new file; content (they are "
                    "not) where it is not said.")
          .optional("params", &Words::params, json_map(), "Parameters of triggered runs.");
  return kKeys;
}

}  // namespace weir::config
