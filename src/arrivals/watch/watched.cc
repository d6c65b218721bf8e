#include "arrivals/watch/watched.h"

#include <algorithm>

#include "base/printable.h"

namespace weir::arrivals {
namespace {

using catalog::ArrivalState;

constexpr size_t kMostLookedAt = 1000;  // more are found sooner by a listing
constexpr size_t kMostWaiting = 1000;
constexpr int kMostConflicts = 5;
constexpr int64_t kLongestPutOffMs = 60'000;

std::vector<std::string> names_of(const std::vector<KnownFile*>& files) {
  std::vector<std::string> names;
  for (const auto* file : files) names.push_back(file->row.name);
  return names;
}

}  // namespace

Watched::Watched(Trigger trigger, WatchGround ground)
    : trigger_(std::make_unique<Trigger>(std::move(trigger))),
      ground_(ground),
      known_(std::make_unique<KnownFiles>(*trigger_)) {}

bool Watched::is_time(int64_t now_us) const { return now_us >= next_at_us(); }

int64_t Watched::next_at_us() const {
  if (put_off_until_us_ > 0) return put_off_until_us_;
  if (must_list_ || must_group_ || !woken_.empty() || has_more_due_) return 0;
  if (next_group_at_us_ == 0) return next_list_at_us_;
  return std::min(next_list_at_us_, next_group_at_us_);
}

void Watched::put_off(int64_t now_us) {
  // What is known may be half of a listing.
  known_->forget();
  must_list_ = true;
  put_off_until_us_ = now_us + std::min(trigger_->poll_ms(), kLongestPutOffMs) * 1000;
}

Result<bool> Watched::wake(const std::string& file) {
  for (const auto& source : trigger_->sources) {
    const std::string below = Trigger::name_below(source, file);
    if (below.empty()) continue;
    WEIR_ASSIGN(const bool fits, source.glob.matches(below));
    if (fits) {
      woken_.insert(source.layer + "/" + below);
      if (woken_.size() > kMostLookedAt) must_list_ = true;
      return true;
    }
    if (trigger_->settings.marker.empty()) continue;
    must_group_ = true;
    return true;
  }
  return false;
}

Status Watched::look_and_decide(int64_t now_us, const Cancel& cancel, Budget& budget,
                                std::vector<Group>& found) {
  const bool lists = must_list_ || now_us >= next_list_at_us_;
  stats_.clear();
  has_listed_ = false;
  if (known_->is_loaded() && lists) {
    WEIR_ASSIGN(const int64_t revision, ground_.catalog->arrivals_revision(trigger_->flow_id));
    if (revision != known_->revision()) known_->forget();
  }
  if (!known_->is_loaded()) WEIR_TRY(known_->load(*ground_.catalog));
  WEIR_TRY(note_started());
  // The old files of a pattern are known by a listing alone.
  if (lists || known_->revision() == 0) {
    WEIR_TRY(see_all(now_us, cancel));
  } else {
    WEIR_TRY(see_some(woken_, now_us));
    WEIR_ASSIGN(const auto unseen, ready_unseen(now_us));
    if (unseen.size() > kMostLookedAt)
      WEIR_TRY(see_all(now_us, cancel));
    else
      WEIR_TRY(see_some(unseen, now_us));
  }
  WEIR_ASSIGN(found, groups(now_us, true));
  WEIR_TRY(decide(found, now_us, cancel, budget));
  if (known_->has_changes()) WEIR_TRY(known_->save(*ground_.catalog));
  return remember_hashes();
}

Status Watched::poll(int64_t now_us, const Cancel& cancel, Budget& budget, Polled& polled,
                     bool wants_waiting) {
  std::vector<Group> found;
  for (int attempt = 1;; ++attempt) {
    const auto done = look_and_decide(now_us, cancel, budget, found);
    if (done) break;
    known_->forget();
    if (done.error().code != ErrorCode::kConflict || attempt == kMostConflicts) return done;
  }
  if (has_listed_) {
    must_list_ = false;
    next_list_at_us_ = now_us + trigger_->poll_ms() * 1000;
  }
  must_group_ = false;
  put_off_until_us_ = 0;
  woken_.clear();
  WEIR_TRY(hand_out(budget, polled));
  polled.faults.insert(polled.faults.end(), odd_names_.begin(), odd_names_.end());
  tell_late(found, now_us, polled);
  if (wants_waiting) tell_waiting(found, polled);
  plan_next(found, now_us);
  return {};
}

Status Watched::look(int64_t now_us, const Cancel& cancel, Polled& polled) {
  WEIR_TRY(known_->load(*ground_.catalog));
  WEIR_TRY(see_all(now_us, cancel));
  WEIR_ASSIGN(const auto found, groups(now_us, true));
  tell_waiting(found, polled);
  polled.faults.insert(polled.faults.end(), odd_names_.begin(), odd_names_.end());
  // What was seen was not written.
  known_->forget();
  must_list_ = true;
  return {};
}

/// Of what was handed out before, the runs that are there by now. Then their files may be new
/// again.
Status Watched::note_started() {
  for (const auto& run_key : std::exchange(handed_out_, {})) {
    const auto due = known_->due().find(run_key);
    if (due == known_->due().end()) continue;
    WEIR_TRY(note_if_started(run_key));
  }
  return {};
}

Result<bool> Watched::note_if_started(const std::string& run_key) {
  WEIR_ASSIGN(const auto run, ground_.catalog->find_run(trigger_->flow_id, run_key));
  if (!run) return false;
  const std::set<std::string> names = known_->due().at(run_key);
  for (const auto& name : names) known_->set_state(*known_->find(name), ArrivalState::kStarted);
  return true;
}

/// Those that are due, the first decided first, but for runs that are there.
Status Watched::hand_out(Budget& budget, Polled& polled) {
  struct Due {
    int64_t taken_at_us;
    std::string first;
    std::string run_key;
    auto operator<=>(const Due&) const = default;
  };
  std::vector<Due> all;
  all.reserve(known_->due().size());
  for (const auto& [run_key, names] : known_->due())
    all.push_back({known_->find(*names.begin())->row.taken_at_us, *names.begin(), run_key});
  const auto count =
      std::min(static_cast<int64_t>(all.size()), std::max<int64_t>(budget.runs_left, 0));
  std::ranges::partial_sort(all, all.begin() + count);
  for (auto each = all.begin(); each != all.begin() + count; ++each) {
    WEIR_ASSIGN(const bool is_started, note_if_started(each->run_key));
    if (is_started) continue;
    WEIR_ASSIGN(auto due, due_run(each->run_key, known_->due().at(each->run_key)));
    polled.due.push_back(std::move(due));
    handed_out_.insert(each->run_key);
    --budget.runs_left;
  }
  has_more_due_ = static_cast<int64_t>(all.size()) > count;
  if (!known_->has_changes()) return {};
  const auto saved = known_->save(*ground_.catalog);
  if (saved || saved.error().code != ErrorCode::kConflict) return saved;
  known_->forget();  // Others found them started, too.
  return {};
}

Result<DueRun> Watched::due_run(const std::string& run_key, const std::set<std::string>& names) {
  DueRun due;
  due.flow_id = trigger_->flow_id;
  due.run_key = run_key;
  due.params = trigger_->settings.params;
  std::vector<std::string> files;
  std::map<std::string, std::vector<std::string>> members;
  for (const auto& name : names) {
    const KnownFile& file = *known_->find(name);
    // A pattern that was changed since takes it no more: the run was decided all the same.
    const Source* source =
        file.source < trigger_->sources.size() ? &trigger_->sources[file.source] : nullptr;
    if (source != nullptr && source->role != Role::kData) {
      due.params[source->role == Role::kManifest ? "trigger.manifest" : "trigger.control"] = name;
      continue;
    }
    due.files.push_back({name, file.row.size_bytes, file.row.version, file.row.sha256});
    files.push_back(name);
    if (source != nullptr && !source->member.empty()) members[source->member].push_back(name);
  }
  if (trigger_->key && !files.empty()) {
    const std::string& name = files.front();
    WEIR_ASSIGN(const auto key, key_of(*trigger_, name.substr(name.find('/') + 1)));
    if (key)
      for (const auto& [group, value] : key->groups) due.params["trigger.key." + group] = value;
  }
  for (const auto& [member, list] : members)
    due.params["trigger.set." + member] = list.size() == 1 ? Json(list.front()) : Json(list);
  if (files.size() == 1) due.params["trigger.file"] = files.front();
  due.params["trigger.files"] = std::move(files);
  return due;
}

void Watched::tell_late(const std::vector<Group>& groups, int64_t now_us, Polled& polled) {
  const auto& settings = trigger_->settings;
  const auto tell = [&](LateFact fact) {
    fact.flow_id = trigger_->flow_id;
    fact.fact_key =
        fmt::format("late:{}:{}:{}:{}", fact.flow_id, fact.kind, fact.key, fact.since_us);
    if (told_.insert(fact.fact_key).second) polled.late.push_back(std::move(fact));
  };
  for (const auto& group : groups) {
    const bool is_late = settings.deadline_ms > 0 && !group.is_ready && group.since_us > 0 &&
                         now_us - group.since_us >= settings.deadline_ms * 1000;
    if (is_late)
      tell({.flow_id = {},
            .fact_key = {},
            .kind = "waiting",
            .key = group.key,
            .since_us = group.since_us,
            .text = group.why});
  }
  if (auto fact = missing(groups, now_us)) tell(*std::move(fact));
  const int64_t newest_us = std::max(known_->newest_at_us(), known_->since_us());
  if (settings.silence_ms > 0 && newest_us > 0 && now_us - newest_us >= settings.silence_ms * 1000)
    tell({.flow_id = {},
          .fact_key = {},
          .kind = "silent",
          .key = {},
          .since_us = newest_us,
          .text = "no file has come"});
}

/// A run was decided for it. By the key, where it has one: a file that is late does not stand for
/// the next one.
bool Watched::has_come(const schedule::Interval& interval) const {
  if (!trigger_->expectation->has_key()) return known_->last_taken_at_us() > interval.start_us;
  const std::string key = trigger_->expectation->key_of(interval);
  return std::ranges::any_of(known_->all(), [&](const auto& each) {
    return each.second.key == key && !each.second.row.run_key.empty();
  });
}

std::optional<LateFact> Watched::missing(const std::vector<Group>& groups, int64_t now_us) const {
  if (!trigger_->expectation) return std::nullopt;
  const auto interval = trigger_->expectation->newest(now_us);
  // Of what came before somebody looked nothing is known.
  if (!interval || interval->start_us < known_->since_us() || has_come(*interval))
    return std::nullopt;
  LateFact fact;
  fact.kind = "missing";
  fact.key = trigger_->expectation->key_of(*interval);
  fact.since_us = interval->end_us;
  const auto waits = std::ranges::find_if(groups, [&](const Group& group) {
    return !group.is_ready && (fact.key.empty() || group.key == fact.key);
  });
  fact.text = fmt::format("due by {}: {}", trigger_->expectation->local_text(interval->end_us),
                          waits == groups.end() ? "no file has come" : waits->why);
  return fact;
}

void Watched::tell_waiting(const std::vector<Group>& groups, Polled& polled) const {
  size_t told = 0;
  for (const auto& group : groups) {
    const bool is_decided = !group.files.empty() &&
                            std::ranges::none_of(group.files, &KnownFile::is_waiting) &&
                            std::ranges::none_of(group.said_by, &KnownFile::is_waiting);
    if (is_decided || ++told > kMostWaiting) continue;
    polled.waiting.push_back({.flow_id = trigger_->flow_id,
                              .key = group.key,
                              .files = names_of(group.files),
                              .is_ready = group.is_ready,
                              .why = group.why,
                              .since_us = group.since_us});
  }
}

void Watched::plan_next(const std::vector<Group>& groups, int64_t now_us) {
  const auto& settings = trigger_->settings;
  next_group_at_us_ = 0;
  const auto wake_at = [&](int64_t at_us) {
    if (next_group_at_us_ == 0 || at_us < next_group_at_us_) next_group_at_us_ = at_us;
  };
  for (const auto& group : groups) {
    if (group.is_ready) continue;
    if (group.wakes_at_us > 0) wake_at(std::max(group.wakes_at_us, now_us));
    const int64_t late_at_us = group.since_us + settings.deadline_ms * 1000;
    if (settings.deadline_ms > 0 && late_at_us > now_us) wake_at(late_at_us);
  }
  if (trigger_->expectation)
    if (const auto due_at_us = trigger_->expectation->next_after(now_us)) wake_at(*due_at_us);
  const int64_t silent_at_us =
      std::max(known_->newest_at_us(), known_->since_us()) + settings.silence_ms * 1000;
  if (settings.silence_ms > 0 && silent_at_us > now_us) wake_at(silent_at_us);
}

}  // namespace weir::arrivals
