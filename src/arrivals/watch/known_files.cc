#include "arrivals/watch/known_files.h"

#include <algorithm>

namespace weir::arrivals {
namespace {

using catalog::ArrivalState;

/// Longer than a folder may be away (a mount, a restore) without its files being new again. Of what
/// is forgotten the run_key still stands in flow_run.
constexpr int64_t kForgottenAfterUs = int64_t{30} * 24 * 3600 * 1'000'000;

/// Where a store has no word for the bytes, their time is it.
std::string version_of(const storage::Entry& entry) {
  return entry.version.empty() ? fmt::format("at {}", entry.modified_at_us) : entry.version;
}

}  // namespace

Status KnownFiles::load(catalog::Catalog& catalog) {
  WEIR_ASSIGN(auto known, catalog.arrivals(trigger_.flow_id));
  files_.clear();
  waiting_.clear();
  due_.clear();
  by_key_.clear();
  changed_.clear();
  removed_.clear();
  is_baseline_new_ = false;
  revision_ = known.revision;
  since_us_ = known.since_us;
  newest_at_us_ = 0;
  last_taken_at_us_ = 0;
  last_run_key_.clear();
  patterns_ = {known.patterns.begin(), known.patterns.end()};
  for (auto& row : known.files) {
    KnownFile file;
    file.row = std::move(row);
    WEIR_TRY(place(file));
    index(file);
    std::string name = file.row.name;
    files_.emplace_hint(files_.end(), std::move(name), std::move(file));
  }
  is_loaded_ = true;
  return {};
}

/// Finds the source and the key by the name; a name that no pattern takes any more is of none.
Status KnownFiles::place(KnownFile& file) {
  const auto slash = file.row.name.find('/');
  const std::string layer = file.row.name.substr(0, slash);
  const std::string name = file.row.name.substr(slash + 1);
  file.source = trigger_.sources.size();
  for (size_t i = 0; i < trigger_.sources.size(); ++i) {
    if (trigger_.sources[i].layer != layer) continue;
    WEIR_ASSIGN(const bool fits, trigger_.sources[i].glob.matches(name));
    if (!fits) continue;
    file.source = i;
    break;
  }
  if (!trigger_.key || file.source == trigger_.sources.size()) return {};
  WEIR_ASSIGN(auto key, key_of(trigger_, name));
  if (key) file.key = std::move(key->text);
  return {};
}

void KnownFiles::index(const KnownFile& file) {
  newest_at_us_ = std::max(newest_at_us_, file.row.seen_at_us);
  if (file.row.taken_at_us > last_taken_at_us_) {
    last_taken_at_us_ = file.row.taken_at_us;
    last_run_key_ = file.row.run_key;
  }
  if (file.row.state == ArrivalState::kDue) due_[file.row.run_key].insert(file.row.name);
  if (file.source == trigger_.sources.size()) return;
  if (file.is_waiting()) waiting_.insert(file.row.name);
  if (!file.key.empty() && file.row.gone_at_us == 0) by_key_[file.key].insert(file.row.name);
}

void KnownFiles::drop(const KnownFile& file) {
  waiting_.erase(file.row.name);
  if (const auto due = due_.find(file.row.run_key); due != due_.end()) {
    due->second.erase(file.row.name);
    if (due->second.empty()) due_.erase(due);
  }
  if (const auto key = by_key_.find(file.key); key != by_key_.end()) {
    key->second.erase(file.row.name);
    if (key->second.empty()) by_key_.erase(key);
  }
}

KnownFile* KnownFiles::find(const std::string& name) {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : &found->second;
}

void KnownFiles::touch(KnownFile& file) { changed_.insert(file.row.name); }

void KnownFiles::set_state(KnownFile& file, ArrivalState state) {
  drop(file);
  file.row.state = state;
  index(file);
  touch(file);
}

void KnownFiles::take(KnownFile& file, const std::string& run_key, int64_t at_us) {
  drop(file);  // of its old key
  file.row.run_key = run_key;
  file.row.taken_at_us = at_us;
  file.row.state = ArrivalState::kDue;
  index(file);
  touch(file);
}

Result<bool> KnownFiles::see(size_t source, const storage::Entry& entry, int64_t now_us) {
  const Source& from = trigger_.sources[source];
  std::string name = from.layer + "/" + entry.name;
  const auto found = files_.find(name);
  if (found == files_.end()) {
    KnownFile file;
    file.row.name = name;
    file.row.size_bytes = entry.size_bytes;
    file.row.version = version_of(entry);
    file.row.seen_at_us = now_us;
    file.row.changed_at_us = now_us;
    WEIR_TRY(place(file));
    if (file.source != source) return false;
    const bool is_old = !trigger_.settings.starts_existing && !patterns_.contains(from.written);
    if (is_old) file.row.state = ArrivalState::kIgnored;
    file.modified_at_us = entry.modified_at_us;
    file.looked_at_us = now_us;
    index(file);
    touch(file);
    std::erase(removed_, name);
    files_.emplace(std::move(name), std::move(file));
    return true;
  }
  KnownFile& file = found->second;
  if (file.source != source) return false;
  file.looked_at_us = now_us;
  file.modified_at_us = entry.modified_at_us;
  // The clock may have been set back: what lies in the future has only just begun.
  if (file.row.changed_at_us > now_us && file.is_waiting()) {
    file.row.changed_at_us = now_us;
    touch(file);
  }
  if (file.row.gone_at_us != 0) {
    file.row.gone_at_us = 0;
    set_state(file, file.row.state);
  }
  const bool is_same =
      file.row.version == version_of(entry) && file.row.size_bytes == entry.size_bytes;
  // What a run is about to read stays as it is until the run is there.
  if (is_same || file.row.state == ArrivalState::kDue) return true;
  file.row.size_bytes = entry.size_bytes;
  file.row.version = version_of(entry);
  file.row.changed_at_us = now_us;
  if (file.row.state != ArrivalState::kWaiting) {
    file.row.seen_at_us = now_us;
    set_state(file, ArrivalState::kWaiting);
  }
  touch(file);
  return true;
}

void KnownFiles::miss(const std::string& name, int64_t now_us) {
  const auto found = files_.find(name);
  if (found == files_.end() || found->second.row.state == ArrivalState::kDue) return;
  KnownFile& file = found->second;
  const bool is_forgotten =
      file.row.gone_at_us != 0 && now_us - file.row.gone_at_us > kForgottenAfterUs;
  // One that waits and had no run before leaves nothing to be known.
  const bool had_run = !file.row.run_key.empty();
  if (is_forgotten || (file.row.state == ArrivalState::kWaiting && !had_run)) {
    drop(file);
    changed_.erase(name);
    removed_.push_back(name);
    files_.erase(found);
    return;
  }
  if (file.row.gone_at_us != 0) return;
  drop(file);
  file.row.gone_at_us = now_us;
  index(file);
  touch(file);
}

void KnownFiles::finish_listing(int64_t now_us) {
  if (since_us_ == 0) since_us_ = now_us;  // as the catalog will say
  std::vector<std::string> gone;
  for (const auto& [name, file] : files_)
    if (file.looked_at_us != now_us && file.source < trigger_.sources.size()) gone.push_back(name);
  for (const auto& name : gone) miss(name, now_us);
  for (const auto& source : trigger_.sources)
    is_baseline_new_ = patterns_.insert(source.written).second || is_baseline_new_;
}

Status KnownFiles::save(catalog::Catalog& catalog) {
  catalog::ArrivalChanges changes;
  changes.flow_id = trigger_.flow_id;
  changes.revision = revision_;
  changes.patterns = {patterns_.begin(), patterns_.end()};
  changes.files.reserve(changed_.size());
  for (const auto& name : changed_) changes.files.push_back(files_.at(name).row);
  changes.removed = removed_;
  WEIR_ASSIGN(revision_, catalog.write_arrivals(changes));
  changed_.clear();
  removed_.clear();
  is_baseline_new_ = false;
  return {};
}

}  // namespace weir::arrivals
