#include <algorithm>

#include "arrivals/watch/watched.h"
#include "base/digest.h"
#include "base/printable.h"

// From a group that is ready to a run: what its files hold, whether that is new, and the key.

namespace weir::arrivals {
namespace {

using catalog::ArrivalState;

/// Longer than one tick of any file system's clock: what is younger may change unseen.
constexpr int64_t kRestsAfterUs = 2'000'000;
constexpr int64_t kLookAgainUs = 1'000'000;
constexpr int64_t kReadAtOnceBytes = int64_t{1} << 20;

/// Of one that is small in one request: the look after the reading says whether it is the same.
Result<storage::Written> digest(storage::Storage& store, const std::string& name,
                                int64_t size_bytes) {
  if (size_bytes > kReadAtOnceBytes) return storage::digest_of(store, name);
  if (size_bytes == 0) return storage::Written{0, sha256_hex("")};
  WEIR_ASSIGN(const std::string bytes, store.read(name, {0, size_bytes}));
  return storage::Written{static_cast<int64_t>(bytes.size()), sha256_hex(bytes)};
}

}  // namespace

Status Watched::decide(std::vector<Group>& groups, int64_t now_us, const Cancel& cancel,
                       Budget& budget) {
  for (auto& group : groups) {
    if (!group.is_ready) continue;
    WEIR_ASSIGN(const bool has_turn, take_turn(group, now_us));
    if (!has_turn) continue;
    if (trigger_->settings.compares_content) {
      WEIR_ASSIGN(const bool is_read, read_contents(group, now_us, cancel, budget));
      if (!is_read || !is_as_listed(group)) {
        group.is_ready = false;
        continue;
      }
    }
    if (drop_known(group)) claim(group, now_us);
  }
  return {};
}

Pace Watched::pace() const {
  return {trigger_->settings.at_most_every_ms * 1000, known_->last_taken_at_us()};
}

/// Whether a run may be decided now: its time has come, and the one before waits for nothing. So
/// who falls behind gets larger batches, not more of them.
Result<bool> Watched::take_turn(Group& group, int64_t now_us) {
  if (trigger_->settings.at_most_every_ms == 0) return true;
  const int64_t turn_us = pace().next_us(now_us);
  if (turn_us > now_us) {
    group.why = fmt::format("the next run may be at {}", time_text(turn_us));
    group.wakes_at_us = turn_us;
  } else {
    WEIR_ASSIGN(const bool is_waiting, last_run_waits());
    if (!is_waiting) return true;
    group.why = "the run before has not begun";
    group.wakes_at_us = now_us + kLookAgainUs;
  }
  group.is_ready = false;
  return false;
}

Result<bool> Watched::last_run_waits() {
  if (known_->last_run_key().empty()) return false;
  if (known_->due().contains(known_->last_run_key())) return true;
  WEIR_ASSIGN(const auto run, ground_.catalog->find_run(trigger_->flow_id, known_->last_run_key()));
  return run && run->state == catalog::RunState::kQueued;
}

/// False where a file changed meanwhile, or the next poll must go on.
Result<bool> Watched::read_contents(Group& group, int64_t now_us, const Cancel& cancel,
                                    Budget& budget) {
  for (auto* file : group.files) {
    WEIR_TRY(cancel.check());
    if (!file->is_waiting() && !file->row.sha256.empty()) continue;
    const auto known = hashed_.find(file->row.name);
    if (known != hashed_.end() && known->second.version == file->row.version) continue;
    if (budget.bytes_left <= 0) {
      group.why = "its content is to be read";
      group.wakes_at_us = now_us;
      return false;
    }
    WEIR_ASSIGN(const bool is_same, read_content(*file, now_us, budget));
    if (is_same) continue;
    group.why = fmt::format("'{}' changed while it was read", printable(file->row.name));
    group.wakes_at_us = now_us + trigger_->settle_ms() * 1000;
    return false;
  }
  return true;
}

Result<bool> Watched::read_content(KnownFile& file, int64_t now_us, Budget& budget) {
  const Source& source = trigger_->sources[file.source];
  WEIR_ASSIGN(storage::Storage * store, ground_.stores->open(source.uri));
  const std::string below = file.row.name.substr(source.layer.size() + 1);
  const auto hashed = digest(*store, below, file.row.size_bytes);
  if (!hashed && hashed.error().code != ErrorCode::kNotFound)
    return std::unexpected(hashed.error());
  const auto after = store->stat(below);
  if (!after && after.error().code != ErrorCode::kNotFound) return std::unexpected(after.error());
  if (!hashed || !after) {
    known_->miss(file.row.name, now_us);
    return false;
  }
  budget.bytes_left -= std::max<int64_t>(hashed->size_bytes, 1);
  const std::string before = file.row.version;
  WEIR_TRY(known_->see(file.source, *after, now_us));
  if (file.row.version != before || hashed->size_bytes != file.row.size_bytes) return false;
  hashed_[file.row.name] = {file.row.version, hashed->sha256};
  // Who ingests the file need not read it for its hash.
  if (!after->version.empty() && after->modified_at_us + kRestsAfterUs < now_us)
    to_remember_[source.uri].push_back({below, hashed->size_bytes, after->version, hashed->sha256});
  return true;
}

/// The contents are those that a manifest lists.
bool Watched::is_as_listed(Group& group) {
  for (const auto& listed : group.listed) {
    if (listed.sha256.empty()) continue;
    for (const auto* file : group.files) {
      if (file->row.name != listed.name || content_of(*file) == listed.sha256) continue;
      group.why = fmt::format("'{}' holds other bytes than are listed", printable(listed.name));
      return false;
    }
  }
  return true;
}

std::string Watched::content_of(const KnownFile& file) const {
  if (!trigger_->settings.compares_content)
    return fmt::format("{} bytes, {}", file.row.size_bytes, file.row.version);
  const auto read = hashed_.find(file.row.name);
  if (read != hashed_.end() && read->second.version == file.row.version) return read->second.sha256;
  return file.row.sha256;
}

std::string Watched::run_key_of(const Group& group) const {
  Json files = Json::array();
  for (const auto* file : group.files)
    files.push_back(Json::array({file->row.name, content_of(*file)}));
  return "file:" + sha256_hex(dump_json(Json::array({group.key, std::move(files)}))).substr(0, 32);
}

/// Takes files out of a batch that hold what a run was started for before. False where nothing is
/// left that is new: then they are as started as they were.
bool Watched::drop_known(Group& group) {
  const auto back = [&](KnownFile* file) {
    if (!file->is_waiting()) return;
    hashed_.erase(file->row.name);
    known_->set_state(*file, ArrivalState::kStarted);
  };
  if (trigger_->settings.is_batch) {
    std::erase_if(group.files, [&](KnownFile* file) {
      const bool is_known = !file->row.run_key.empty() && !file->row.sha256.empty() &&
                            content_of(*file) == file->row.sha256;
      if (is_known) back(file);
      return is_known;
    });
    const auto count = static_cast<int64_t>(group.files.size());
    if (count > 0 && count >= trigger_->settings.expect) return true;
    group.is_ready = false;
    group.why = "too few of its files are new";
    return false;
  }
  const std::string run_key = run_key_of(group);
  const auto has_key = [&](const KnownFile* file) { return file->row.run_key == run_key; };
  if (!std::ranges::all_of(group.files, has_key)) return true;
  for (auto* list : {&group.files, &group.said_by}) std::ranges::for_each(*list, back);
  for (auto* file : group.said_by) file->row.run_key = run_key;
  group.is_ready = false;
  group.why = "its files hold what a run was started for";
  return false;
}

void Watched::claim(Group& group, int64_t now_us) {
  const std::string run_key = run_key_of(group);
  const int64_t at_us = pace().decided_at_us(now_us);
  for (auto* list : {&group.files, &group.said_by}) {
    for (auto* file : *list) {
      if (trigger_->settings.compares_content && list == &group.files)
        file->row.sha256 = content_of(*file);
      hashed_.erase(file->row.name);
      known_->take(*file, run_key, at_us);
    }
  }
}

Status Watched::remember_hashes() {
  for (const auto& [uri, files] : std::exchange(to_remember_, {}))
    WEIR_TRY(ground_.catalog->remember_files(uri, files));
  return {};
}

}  // namespace weir::arrivals
