#include <algorithm>

#include "arrivals/watch/watched.h"
#include "base/printable.h"
#include "storage/object_name.h"

// What is there: by listing, or one by one where somebody said where to look.

namespace weir::arrivals {
namespace {

constexpr int64_t kMostManifestBytes = int64_t{16} << 20;
constexpr size_t kKeptManifests = 1000;

}  // namespace

Status Watched::see_all(int64_t now_us, const Cancel& cancel) {
  others_.clear();
  odd_names_.clear();
  // Patterns in one place are listed once; a place within another is part of it.
  std::set<std::pair<std::string, std::string>> places;
  for (const auto& source : trigger_->sources) places.emplace(source.uri, source.prefix);
  for (const auto& [uri, prefix] : places) {
    const bool is_part = std::ranges::any_of(places, [&](const auto& other) {
      return other.first == uri && other.second != prefix && prefix.starts_with(other.second);
    });
    if (is_part) continue;
    WEIR_TRY(cancel.check());
    WEIR_TRY(
        while_doing(list_place(uri, prefix, now_us), fmt::format("listing '{}/{}'", uri, prefix)));
  }
  known_->finish_listing(now_us);
  has_listed_ = true;
  return {};
}

Status Watched::list_place(const std::string& uri, const std::string& prefix, int64_t now_us) {
  WEIR_ASSIGN(storage::Storage * store, ground_.stores->open(uri));
  std::string after;
  while (true) {
    WEIR_ASSIGN(const auto page, store->list(prefix, after));
    for (const auto& entry : page.entries) WEIR_TRY(take_entry(uri, entry, now_us));
    if (page.is_last || page.entries.empty()) return {};
    after = page.entries.back().name;
  }
}

Status Watched::take_entry(const std::string& uri, const storage::Entry& entry, int64_t now_us) {
  if (entry.name.starts_with(storage::kOwnFolder)) return {};
  const bool is_name = storage::check_object_name(entry.name).has_value();
  const std::string shown = is_name ? entry.name : printable(entry.name);
  bool is_own = false;
  std::string layer;
  for (size_t i = 0; i < trigger_->sources.size() && !is_own; ++i) {
    const Source& source = trigger_->sources[i];
    if (source.uri != uri || !shown.starts_with(source.prefix)) continue;
    layer = source.layer;
    WEIR_ASSIGN(const bool fits, source.glob.matches(shown));
    if (!fits) continue;
    if (!is_name) {
      Error odd = storage::check_object_name(entry.name).error();
      odd.code = ErrorCode::kInvalidData;
      odd.message = fmt::format("landing file '{}' cannot be used: {}", shown, odd.message);
      odd.hint = "rename the file, or move it away";
      odd_names_.push_back({trigger_->flow_id, std::move(odd)});
      return {};
    }
    WEIR_ASSIGN(is_own, known_->see(i, entry, now_us));
  }
  if (!is_own && !trigger_->settings.marker.empty()) others_.insert(layer + "/" + entry.name);
  return {};
}

Status Watched::see_some(const std::set<std::string>& names, int64_t now_us) {
  for (const auto& name : names)
    WEIR_TRY(while_doing(see_one(name, now_us), fmt::format("looking at '{}'", printable(name))));
  return {};
}

/// `name` is `layer/name`.
Status Watched::see_one(const std::string& name, int64_t now_us) {
  const auto slash = name.find('/');
  const std::string layer = name.substr(0, slash);
  const std::string below = name.substr(slash + 1);
  for (size_t i = 0; i < trigger_->sources.size(); ++i) {
    const Source& source = trigger_->sources[i];
    if (source.layer != layer) continue;
    WEIR_ASSIGN(const bool fits, source.glob.matches(below));
    if (!fits) continue;
    WEIR_ASSIGN(storage::Storage * store, ground_.stores->open(source.uri));
    const auto entry = store->stat(below);
    if (!entry && entry.error().code != ErrorCode::kNotFound) return std::unexpected(entry.error());
    if (!entry) {
      known_->miss(name, now_us);
      return {};
    }
    WEIR_TRY(known_->see(i, *entry, now_us));
    return {};
  }
  return {};
}

Result<bool> Watched::is_there(const Source& source, const std::string& name) {
  const std::string full = source.layer + "/" + name;
  if (has_listed_ && name.starts_with(source.prefix)) return others_.contains(full);
  if (const auto known = stats_.find(full); known != stats_.end()) return known->second;
  WEIR_ASSIGN(storage::Storage * store, ground_.stores->open(source.uri));
  const auto entry = store->stat(name);
  if (!entry && entry.error().code != ErrorCode::kNotFound) return std::unexpected(entry.error());
  stats_[full] = entry.has_value();
  return entry.has_value();
}

Result<Manifest> Watched::read(const KnownFile& file) {
  const std::pair key(file.row.name, file.row.version);
  if (const auto known = manifests_.find(key); known != manifests_.end()) return known->second;
  if (file.row.size_bytes > kMostManifestBytes)
    return fail(ErrorCode::kInvalidData, "it has more than {} bytes", kMostManifestBytes);
  const Source& source = trigger_->sources[file.source];
  WEIR_ASSIGN(storage::Storage * store, ground_.stores->open(source.uri));
  const std::string below = file.row.name.substr(source.layer.size() + 1);
  const auto text = store->read(below, storage::Range::all());
  // It went, or was replaced, meanwhile: the next look will see.
  if (!text && text.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kInvalidData, "it is gone");
  if (!text) return std::unexpected(text.error());
  auto manifest = read_manifest(*text);
  if (manifests_.size() >= kKeptManifests) manifests_.clear();
  manifests_.emplace(key, manifest);
  return manifest;
}

Result<std::vector<Group>> Watched::groups(int64_t now_us, bool must_be_seen) {
  GroupGround ground;
  ground.trigger = trigger_.get();
  ground.known = known_.get();
  ground.now_us = now_us;
  ground.must_be_seen = must_be_seen;
  ground.is_there = [this](const Source& source, const std::string& name) {
    return is_there(source, name);
  };
  ground.read = [this](const KnownFile& file) { return read(file); };
  return make_groups(ground);
}

/// What would be ready if it is still as it was.
Result<std::set<std::string>> Watched::ready_unseen(int64_t now_us) {
  std::set<std::string> names;
  WEIR_ASSIGN(const auto candidates, groups(now_us, false));
  for (const auto& group : candidates) {
    if (!group.is_ready) continue;
    for (const auto* list : {&group.files, &group.said_by})
      for (const auto* file : *list)
        if (file->is_waiting() && file->looked_at_us != now_us) names.insert(file->row.name);
  }
  return names;
}

}  // namespace weir::arrivals
