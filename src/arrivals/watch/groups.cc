#include "arrivals/watch/groups.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "base/instant.h"
#include "base/printable.h"

namespace weir::arrivals {
namespace {

constexpr size_t kMostNamed = 5;

std::string base_name(const std::string& name) { return name.substr(name.rfind('/') + 1); }

std::string folder_of(const std::string& name) { return name.substr(0, name.rfind('/') + 1); }

std::string some_of(std::vector<std::string> names) {
  const size_t all = names.size();
  if (all > kMostNamed) names.resize(kMostNamed);
  return fmt::format("{}{}", fmt::join(names, ", "),
                     all > kMostNamed ? fmt::format(" and {} more", all - kMostNamed) : "");
}

std::vector<KnownFile*> oldest_first(KnownFiles& known) {
  std::vector<KnownFile*> files;
  for (const auto& name : known.waiting()) files.push_back(known.find(name));
  std::ranges::stable_sort(files, {}, [](const KnownFile* file) { return file->row.seen_at_us; });
  return files;
}

class Grouper {
 public:
  explicit Grouper(const GroupGround& ground)
      : ground_(ground), trigger_(*ground.trigger), known_(*ground.known) {}

  Result<std::vector<Group>> make() {
    if (!trigger_.settings.manifest.empty()) {
      WEIR_TRY(by_manifest());
    } else if (trigger_.key) {
      WEIR_TRY(by_key());
    } else if (trigger_.settings.is_batch) {
      WEIR_TRY(batches());
    } else {
      WEIR_TRY(one_by_one());
    }
    return std::move(groups_);
  }

 private:
  bool is_data(const KnownFile& file) const {
    return trigger_.sources[file.source].role == Role::kData;
  }

  static void wait_for(Group& group, std::string why, int64_t wakes_at_us = 0) {
    if (group.why.empty()) group.why = std::move(why);
    // Of several reasons the last to pass decides; one that only a file can end decides more.
    group.wakes_at_us = std::max(group.wakes_at_us, wakes_at_us);
  }

  void start(Group& group, const KnownFile& file) const {
    if (!file.is_waiting()) return;
    if (group.since_us == 0 || file.row.seen_at_us < group.since_us)
      group.since_us = file.row.seen_at_us;
  }

  /// One file rests, and has its marker.
  Status check_file(Group& group, const KnownFile& file) const {
    if (!file.is_waiting()) return {};
    const int64_t rests_at_us = file.row.changed_at_us + trigger_.settle_ms() * 1000;
    const bool is_unseen = ground_.must_be_seen && file.looked_at_us != ground_.now_us;
    if (rests_at_us > ground_.now_us)
      wait_for(group,
               fmt::format("'{}' must rest until {}", printable(base_name(file.row.name)),
                           time_text(rests_at_us)),
               rests_at_us);
    else if (is_unseen)
      wait_for(group, fmt::format("'{}' is to be looked at", printable(base_name(file.row.name))),
               ground_.now_us);
    if (trigger_.settings.marker.empty() || !is_data(file)) return {};
    const Source& source = trigger_.sources[file.source];
    const std::string marker = model::marker_name(trigger_.settings.marker, file.row.name);
    WEIR_ASSIGN(const bool is_marked,
                ground_.is_there(source, marker.substr(source.layer.size() + 1)));
    if (!is_marked)
      wait_for(group, fmt::format("its marker '{}' is not there", printable(base_name(marker))));
    return {};
  }

  void check_quiet(Group& group) const {
    if (trigger_.settings.quiet_ms == 0) return;
    int64_t newest_us = 0;
    for (const auto* file : group.files)
      if (file->is_waiting()) newest_us = std::max(newest_us, file->row.changed_at_us);
    const int64_t quiet_at_us = newest_us + trigger_.settings.quiet_ms * 1000;
    if (quiet_at_us > ground_.now_us)
      wait_for(group, fmt::format("nothing more may come until {}", time_text(quiet_at_us)),
               quiet_at_us);
  }

  void finish(Group group) {
    group.is_ready = group.why.empty();
    std::ranges::sort(group.files, {}, [](const KnownFile* file) { return file->row.name; });
    groups_.push_back(std::move(group));
  }

  Status one_by_one() {
    for (const auto& name : known_.waiting()) {
      Group group;
      group.key = name;
      group.files = {known_.find(name)};
      start(group, *group.files.front());
      WEIR_TRY(check_file(group, *group.files.front()));
      finish(std::move(group));
    }
    return {};
  }

  /// Files that do not rest yet, or have no marker, keep nobody waiting: they come with a later
  /// batch. Only a number that is expected, or quiet, is about all of them.
  Status batches() {
    const auto& settings = trigger_.settings;
    Group ready;
    int64_t bytes = 0;
    std::vector<Group> others;
    const auto finish_full = [&] {
      finish(std::exchange(ready, Group()));
      bytes = 0;
    };
    for (KnownFile* file : oldest_first(known_)) {
      Group alone;
      alone.key = file->row.name;
      alone.files = {file};
      start(alone, *file);
      WEIR_TRY(check_file(alone, *file));
      if (!alone.why.empty()) {
        others.push_back(std::move(alone));
        continue;
      }
      const int64_t size_bytes = file->row.size_bytes;
      const bool is_too_much = settings.max_bytes > 0 && size_bytes > settings.max_bytes - bytes;
      if (is_too_much && !ready.files.empty()) finish_full();
      start(ready, *file);
      ready.files.push_back(file);
      bytes += size_bytes;
      if (std::ssize(ready.files) == settings.max_files) finish_full();
    }
    if (!ready.files.empty()) {
      const auto count = static_cast<int64_t>(ready.files.size());
      if (count < trigger_.settings.expect)
        wait_for(ready, fmt::format("{} of {} files are there", count, trigger_.settings.expect));
      check_quiet(ready);
      if (trigger_.settings.quiet_ms > 0) wait_for_restless(ready, others);
      finish(std::move(ready));
    }
    for (auto& other : others) finish(std::move(other));
    return {};
  }

  /// While one file is still being written nothing is quiet.
  static void wait_for_restless(Group& group, const std::vector<Group>& others) {
    for (const auto& other : others)
      if (other.wakes_at_us > 0) wait_for(group, other.why, other.wakes_at_us);
  }

  Status by_key() {
    std::set<std::string> keys;
    for (const auto& name : known_.waiting()) {
      const KnownFile& file = *known_.find(name);
      if (!file.key.empty()) {
        keys.insert(file.key);
        continue;
      }
      Group lost;
      lost.key = name;
      lost.files = {known_.find(name)};
      start(lost, file);
      wait_for(lost,
               fmt::format("its name has no key: '{}' does not fit it", trigger_.settings.key));
      finish(std::move(lost));
    }
    for (const auto& key : keys) WEIR_TRY(one_key(key));
    return {};
  }

  Status one_key(const std::string& key) {
    Group group;
    group.key = key;
    std::set<std::string> members;
    for (const auto& name : known_.by_key().at(key)) {
      KnownFile* file = known_.find(name);
      start(group, *file);
      if (is_data(*file)) members.insert(trigger_.sources[file->source].member);
      (is_data(*file) ? group.files : group.said_by).push_back(file);
    }
    check_members(group, members);
    WEIR_TRY(check_count(group));
    for (const auto* list : {&group.files, &group.said_by})
      for (const auto* file : *list) WEIR_TRY(check_file(group, *file));
    check_quiet(group);
    finish(std::move(group));
    return {};
  }

  void check_members(Group& group, const std::set<std::string>& members) const {
    std::vector<std::string> missing;
    for (const auto& [member, pattern] : trigger_.settings.set)
      if (!members.contains(member)) missing.push_back(member);
    if (!missing.empty())
      wait_for(group, fmt::format("no file is there for {}", fmt::join(missing, ", ")));
    if (group.files.empty()) wait_for(group, "no file is there for it");
  }

  Status check_count(Group& group) const {
    const auto count = static_cast<int64_t>(group.files.size());
    if (count < trigger_.settings.expect)
      wait_for(group, fmt::format("{} of {} files are there", count, trigger_.settings.expect));
    if (trigger_.settings.control.empty()) return {};
    if (group.said_by.empty()) {
      wait_for(group, "its control file is not there");
      return {};
    }
    for (const auto* control : group.said_by) {
      const std::string name = printable(base_name(control->row.name));
      const auto said = ground_.read(*control);
      if (!said && said.error().code != ErrorCode::kInvalidData)
        return std::unexpected(said.error());
      if (!said) {
        wait_for(group,
                 fmt::format("control file '{}' does not read: {}", name, said.error().message));
        continue;
      }
      const int64_t wanted = said->count.value_or(static_cast<int64_t>(said->files.size()));
      if (count < wanted)
        wait_for(group, fmt::format("{} of {} files are there, by '{}'", count, wanted, name));
      check_listed(group, folder_of(control->row.name), said->files);
    }
    return {};
  }

  /// The files that are listed are there, in their sizes. The group gets them with whole names.
  void check_listed(Group& group, const std::string& folder,
                    const std::vector<Listed>& files) const {
    std::vector<std::string> missing;
    for (const auto& listed : files) {
      group.listed.push_back({folder + listed.name, listed.size_bytes, listed.sha256});
      const KnownFile* file = known_.find(folder + listed.name);
      const bool is_there = file != nullptr && file->row.gone_at_us == 0 &&
                            file->source < trigger_.sources.size() && is_data(*file);
      if (!is_there)
        missing.push_back(printable(listed.name));
      else if (listed.size_bytes && *listed.size_bytes != file->row.size_bytes)
        wait_for(group, fmt::format("'{}' has {} bytes, {} are listed", printable(listed.name),
                                    file->row.size_bytes, *listed.size_bytes));
    }
    if (!missing.empty())
      wait_for(group, fmt::format("listed, and not there as '{}' takes them: {}",
                                  trigger_.settings.pattern, some_of(std::move(missing))));
  }

  Status by_manifest() {
    std::set<std::string> listed;
    for (const auto& name : known_.waiting()) {
      KnownFile* file = known_.find(name);
      if (is_data(*file)) continue;
      Group group;
      group.key = name;
      group.said_by = {file};
      start(group, *file);
      WEIR_TRY(check_file(group, *file));
      WEIR_TRY(read_listed(group, *file, listed));
      finish(std::move(group));
    }
    for (const auto& name : known_.waiting()) {
      KnownFile* file = known_.find(name);
      if (!is_data(*file) || listed.contains(name)) continue;
      Group alone;
      alone.key = name;
      alone.files = {file};
      start(alone, *file);
      wait_for(alone, "no manifest lists it");
      finish(std::move(alone));
    }
    return {};
  }

  Status read_listed(Group& group, const KnownFile& manifest, std::set<std::string>& listed) {
    const auto said = ground_.read(manifest);
    if (!said && said.error().code != ErrorCode::kInvalidData) return std::unexpected(said.error());
    if (!said) {
      wait_for(group, fmt::format("it does not read: {}", said.error().message));
      return {};
    }
    if (said->files.empty()) wait_for(group, "it lists no file");
    const std::string folder = folder_of(manifest.row.name);
    for (const auto& each : said->files) {
      KnownFile* file = known_.find(folder + each.name);
      listed.insert(folder + each.name);
      if (file == nullptr || file->row.gone_at_us != 0) continue;
      if (std::ranges::find(group.files, file) != group.files.end()) continue;
      group.files.push_back(file);
      WEIR_TRY(check_file(group, *file));
    }
    check_listed(group, folder, said->files);
    return {};
  }

  const GroupGround& ground_;
  const Trigger& trigger_;
  KnownFiles& known_;
  std::vector<Group> groups_;
};

}  // namespace

std::string time_text(int64_t at_us) {
  return format_instant((at_us + 999'999) / 1'000'000 * 1'000'000);
}

Result<std::vector<Group>> make_groups(const GroupGround& ground) { return Grouper(ground).make(); }

}  // namespace weir::arrivals
