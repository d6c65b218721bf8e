#include "arrivals/trigger.h"

#include <algorithm>

#include "inputs/locations.h"

namespace weir::arrivals {
namespace {

constexpr int64_t kUsualSettleMs = 10'000;
constexpr int64_t kUsualPollMs = 30'000;
constexpr int64_t kUsualPollWithEventsMs = int64_t{15} * 60'000;

/// An object of a bucket appears when all of it was sent. A file in a folder, here or at a server,
/// is there from its first byte, whatever our own writers promise.
bool shows_half_files(const std::string& uri) {
  return !uri.starts_with("s3:") && !uri.starts_with("memory:");
}

struct Made {
  const model::Configuration& configuration;
  const std::string& base_folder;

  Status add(Trigger& trigger, Role role, const std::string& member,
             const std::string& pattern) const {
    if (pattern.empty()) return {};
    WEIR_ASSIGN(const auto parts, model::split_glob(pattern));
    WEIR_ASSIGN(const std::string uri, inputs::layer_uri(configuration, base_folder, parts.first));
    WEIR_ASSIGN(auto glob, Glob::compile(parts.second));
    trigger.sources.push_back({role, member, parts.first, uri, glob_prefix(parts.second),
                               uri + "/" + parts.second, std::move(glob)});
    return {};
  }

  Result<Trigger> trigger(const model::Flow& flow) const {
    Trigger made;
    made.flow_id = flow.flow_id;
    WEIR_ASSIGN(made.settings, model::file_trigger_from_json(flow.file_trigger));
    WEIR_TRY(add(made, Role::kManifest, "", made.settings.manifest));
    WEIR_TRY(add(made, Role::kControl, "", made.settings.control));
    for (const auto& [member, pattern] : made.settings.sources())
      WEIR_TRY(add(made, Role::kData, member, pattern));
    if (!made.settings.key.empty()) {
      WEIR_ASSIGN(made.key, Pattern::compile(made.settings.key));
    }
    if (!made.settings.expected.is_null()) {
      schedule::Zones zones;
      WEIR_ASSIGN(made.expectation, Expectation::read(made.settings.expected, zones));
    }
    return made;
  }
};

}  // namespace

std::optional<std::string> local_folder(const std::string& uri) {
  if (uri.starts_with('/')) return uri;
  constexpr std::string_view kScheme = "file:";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  std::string path = uri.substr(kScheme.size());
  if (path.starts_with("//")) path.erase(0, 2);
  return path;
}

std::string Trigger::name_below(const Source& source, const std::string& file) {
  const std::string folder = local_folder(source.uri).value_or(source.uri);
  for (const std::string& root : {source.uri + "/", folder + "/", source.layer + "/"})
    if (file.starts_with(root) && file.size() > root.size()) return file.substr(root.size());
  return {};
}

bool Trigger::has_root_of(const std::string& file) const {
  return std::ranges::any_of(
      sources, [&](const Source& source) { return !name_below(source, file).empty(); });
}

int64_t Trigger::settle_ms() const {
  if (settings.settle_ms) return *settings.settle_ms;
  const bool is_slow = std::ranges::any_of(
      sources, [](const Source& source) { return shows_half_files(source.uri); });
  return is_slow ? kUsualSettleMs : 0;
}

int64_t Trigger::poll_ms() const {
  return settings.poll_ms.value_or(settings.events.empty() ? kUsualPollMs : kUsualPollWithEventsMs);
}

Triggers triggers_of(const model::Configuration& configuration, const std::string& base_folder,
                     const std::string& flow_id) {
  Triggers triggers;
  const Made made{configuration, base_folder};
  for (const auto& flow : configuration.flows) {
    const bool is_asked = flow_id.empty() || flow.flow_id == flow_id;
    if (!is_asked || !flow.is_enabled || flow.file_trigger.is_null()) continue;
    auto trigger = made.trigger(flow);
    if (trigger)
      triggers.usable.push_back(*std::move(trigger));
    else
      triggers.faults.push_back({flow.flow_id, std::move(trigger).error().while_doing(
                                                   fmt::format("reading the file_trigger of flow "
                                                               "'{}'",
                                                               flow.flow_id))});
  }
  return triggers;
}

Result<std::optional<Key>> key_of(const Trigger& trigger, const std::string& name_below_layer) {
  WEIR_ASSIGN(auto groups, trigger.key->find(name_below_layer));
  if (!groups) return std::nullopt;
  Key key;
  for (const auto& group : trigger.key->group_names()) {
    const auto found = groups->find(group);
    if (found == groups->end()) return std::nullopt;
    key.text += (key.text.empty() ? "" : "/") + found->second;
  }
  key.groups = *std::move(groups);
  return key;
}

}  // namespace weir::arrivals
