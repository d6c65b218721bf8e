#include "model/file_trigger.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "base/byte_size.h"
#include "base/instant.h"
#include "base/nearest.h"
#include "base/option_reader.h"
#include "base/pattern.h"

namespace weir::model {
namespace {

constexpr int64_t kMostFiles = 100'000;

bool is_open(const Json& value) {
  return value.is_string() && value.get_ref<const std::string&>().contains("${");
}

/// Reads the values of one trigger; each fault with its key.
class TriggerReader {
 public:
  explicit TriggerReader(const Json& json) : json_(json) {}

  void read() {
    check_names();
    text("pattern", trigger.pattern);
    text("key", trigger.key);
    text("marker", trigger.marker);
    text("manifest", trigger.manifest);
    text("control", trigger.control);
    text("events", trigger.events);
    set();
    choice("batch", {"each", "all"},
           [&](const std::string& word) { trigger.is_batch = word == "all"; });
    choice("existing", {"ignore", "process"},
           [&](const std::string& word) { trigger.starts_existing = word == "process"; });
    choice("identity", {"content", "version"},
           [&](const std::string& word) { trigger.compares_content = word == "content"; });
    number("max_files", trigger.max_files);
    size("max_bytes", trigger.max_bytes);
    number("expect", trigger.expect);
    if (const auto settle = duration("settle", 0)) trigger.settle_ms = *settle;
    if (const auto poll = duration("poll", 1000)) trigger.poll_ms = *poll;
    trigger.quiet_ms = duration("quiet", 0).value_or(0);
    trigger.at_most_every_ms = duration("at_most_every", 1000).value_or(0);
    trigger.deadline_ms = duration("deadline", 1000).value_or(0);
    trigger.silence_ms = duration("silence", 1000).value_or(0);
    if (has("expected")) trigger.expected = json_.at("expected");
    if (has("params") && !json_.at("params").is_object())
      fault("params", fmt::format("{} is no map", dump_json(json_.at("params"))), "");
    else if (has("params"))
      trigger.params = json_.at("params");
  }

  void check() {
    check_patterns();
    check_key();
    check_company();
    check_marker();
  }

  FileTrigger trigger;
  std::vector<TriggerFault> faults;

 private:
  bool has(const std::string& key) const { return json_.contains(key) && !json_.at(key).is_null(); }

  void fault(const std::string& key, std::string message, std::string hint) {
    faults.push_back(
        {key, {ErrorCode::kInvalidConfig, std::move(message), {}, std::move(hint), {}}});
  }

  void check_names() {
    static const std::vector<std::string> kNames = {
        "pattern",       "set",      "key",     "batch",  "max_files", "max_bytes", "settle",
        "marker",        "manifest", "control", "expect", "quiet",     "poll",      "deadline",
        "at_most_every", "expected", "silence", "events", "params",    "existing",  "identity"};
    for (const auto& [name, value] : json_.items()) {
      if (std::ranges::find(kNames, name) != kNames.end()) continue;
      const std::string guess = did_you_mean(name, kNames);
      fault(name, fmt::format("unknown key '{}'", name),
            guess.empty() ? fmt::format("keys: {}", fmt::join(kNames, ", ")) : guess);
    }
  }

  void text(const std::string& key, std::string& to) {
    if (!has(key)) return;
    const Json& value = json_.at(key);
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
      return fault(key, fmt::format("{} is no text", dump_json(value)), "");
    to = value.get<std::string>();
  }

  void set() {
    if (!has("set")) return;
    const Json& value = json_.at("set");
    if (!value.is_object() || value.empty())
      return fault("set", fmt::format("{} is no map of patterns", dump_json(value)),
                   "write set: {orders: landing/orders-*.csv, lines: landing/lines-*.csv}");
    for (const auto& [member, glob] : value.items()) {
      if (!glob.is_string())
        fault("set", fmt::format("'{}': {} is no text", member, dump_json(glob)), "");
      else
        trigger.set[member] = glob.get<std::string>();
    }
  }

  template <typename Take>
  void choice(const std::string& key, const std::vector<std::string>& words, const Take& take) {
    if (!has(key) || is_open(json_.at(key))) return;
    const std::string word = json_.at(key).is_string() ? json_.at(key).get<std::string>() : "";
    if (std::ranges::find(words, word) != words.end()) return take(word);
    fault(key, fmt::format("{} is not known", dump_json(json_.at(key))),
          fmt::format("write {}", fmt::join(words, " or ")));
  }

  void number(const std::string& key, int64_t& to) {
    if (!has(key) || is_open(json_.at(key))) return;
    const auto read = whole_number(json_.at(key));
    if (!read || *read < 1 || *read > kMostFiles)
      return fault(
          key,
          fmt::format("{} is no whole number from 1 to {}", dump_json(json_.at(key)), kMostFiles),
          "");
    to = *read;
  }

  void size(const std::string& key, int64_t& to) {
    if (!has(key) || is_open(json_.at(key))) return;
    const Json& value = json_.at(key);
    const auto read = parse_bytes(value.is_string() ? value.get<std::string>() : dump_json(value));
    if (!read) return fault(key, read.error().message, read.error().hint);
    if (*read < 1) return fault(key, "no file has less than a byte", "write 512MB, for example");
    to = *read;
  }

  std::optional<int64_t> duration(const std::string& key, int64_t least_ms) {
    if (!has(key) || is_open(json_.at(key))) return std::nullopt;
    const Json& value = json_.at(key);
    const auto read = value.is_string() ? parse_duration_ms(value.get<std::string>())
                                        : Result<int64_t>(fail(ErrorCode::kInvalidConfig, "no"));
    if (read && *read >= least_ms) return *read;
    fault(
        key,
        fmt::format("{} is no time of {} or more", dump_json(value), format_duration_ms(least_ms)),
        "write 30s, 10m or 2h");
    return std::nullopt;
  }

  void check_glob(const std::string& key, const std::string& pattern) {
    if (pattern.empty() || pattern.contains("${")) return;
    const auto parts = split_glob(pattern);
    if (!parts) return fault(key, parts.error().message, parts.error().hint);
    if (const auto broken = glob_matches(parts->second, ""); !broken)
      fault(key, broken.error().message, broken.error().hint);
  }

  void check_patterns() {
    if (trigger.pattern.empty() == trigger.set.empty() && faults.empty())
      fault(trigger.pattern.empty() ? "" : "set",
            trigger.pattern.empty() ? "a file_trigger says neither 'pattern' nor 'set'"
                                    : "a file_trigger says 'pattern' and 'set'",
            "write pattern: landing/sales/*.csv, or set: with several patterns and a key");
    check_glob("pattern", trigger.pattern);
    for (const auto& [member, glob] : trigger.set) check_glob("set", glob);
    check_glob("manifest", trigger.manifest);
    check_glob("control", trigger.control);
  }

  void check_key() {
    if (trigger.key.contains("${")) return;
    if (!trigger.set.empty() && trigger.key.empty())
      fault("set", "a set needs a key",
            R"(the part of the names that its files share: key: '(?<day>\d{8})')");
    if (trigger.key.empty()) return;
    const auto pattern = Pattern::compile(trigger.key);
    if (!pattern) return fault("key", pattern.error().message, pattern.error().hint);
    if (pattern->group_names().empty())
      return fault("key", fmt::format("'{}' has no named group", trigger.key),
                   R"(name the part that counts: '(?<day>\d{8})')");
    for (const auto& group : pattern->group_names()) {
      const bool is_taken = group == "file" || group == "files";
      if (is_taken) fault("key", fmt::format("a group cannot be called '{}'", group), "");
    }
    check_used_groups(pattern->group_names());
  }

  /// `${trigger.key.day}` in parameters.
  void check_used_groups(const std::vector<std::string>& groups) {
    for (const auto& [name, value] : trigger.params.items()) {
      if (!value.is_string()) continue;
      const std::string& text = value.get_ref<const std::string&>();
      constexpr std::string_view kStart = "${trigger.key.";
      for (auto at = text.find(kStart); at != std::string::npos; at = text.find(kStart, at + 1)) {
        const auto from = at + kStart.size();
        const auto end = text.find_first_of(":|}", from);
        const std::string group = text.substr(from, end - from);
        if (std::ranges::find(groups, group) != groups.end()) continue;
        const std::string guess = did_you_mean(group, groups);
        fault("params",
              fmt::format("'{}' names the group '{}', which the key does not have", name, group),
              guess.empty() ? fmt::format("groups: {}", fmt::join(groups, ", ")) : guess);
      }
    }
  }

  /// Words that need others, or go against them.
  void check_company() {
    const bool has_key = !trigger.key.empty();
    const auto against = [&](const char* key, bool is_wrong, std::string message,
                             std::string hint) {
      if (has(key) && is_wrong) fault(key, std::move(message), std::move(hint));
    };
    against("batch", trigger.has_groups(),
            fmt::format("'batch' does not go with '{}'", has_key ? "key" : "manifest"),
            has_key ? "with a key there is one run a key" : "a manifest says the files of a run");
    for (const char* key : {"max_files", "max_bytes", "at_most_every"})
      against(key, !trigger.is_batch, fmt::format("'{}' needs batch: all", key), "");
    const bool expects_key = trigger.expected.is_object() && trigger.expected.contains("key");
    against("expected", expects_key && !has_key, "'expected' names a key, and the trigger has none",
            R"(the part of the names that says the day: key: '(?<day>\d{8})')");
    against("at_most_every", trigger.quiet_ms > 0, "'at_most_every' does not go with 'quiet'",
            "one starts a run while files come, the other once none comes");
    against("control", !has_key, "'control' needs a key",
            R"(the part of its name that says which files it is about: key: '(?<day>\d{8})')");
    against("expect", !has_key && !trigger.is_batch, "'expect' needs a key, or batch: all", "");
    against("expect", !trigger.control.empty() || !trigger.manifest.empty(),
            "'expect' does not go with a control file or a manifest",
            "they say how many there are");
    against("quiet", !has_key && !trigger.is_batch, "'quiet' needs a key, or batch: all",
            "for single files there is settle");
    against("manifest", has_key, "'manifest' does not go with 'key'",
            "a manifest says the files of a run");
    against("manifest", !trigger.set.empty(), "'manifest' does not go with 'set'", "");
    against("expect", trigger.is_batch && trigger.expect > trigger.max_files,
            fmt::format("no run of at most {} files has {}", trigger.max_files, trigger.expect),
            "raise max_files");
    check_itself("manifest", trigger.manifest);
    check_itself("control", trigger.control);
  }

  /// Whether files that only say something would be taken for data.
  void check_itself(const std::string& key, const std::string& pattern) {
    if (pattern.empty() || pattern.contains("${")) return;
    const auto own = split_glob(pattern);
    if (!own) return;
    for (const auto& [member, glob] : trigger.sources())
      if (takes(glob, own->first, sample_name(own->second)))
        fault(key, fmt::format("'{}' takes such files, too: it would wait for itself", glob),
              "give the pattern an ending that they do not have, such as *.csv");
  }

  static bool takes(const std::string& glob, const std::string& layer, const std::string& name) {
    const auto parts = split_glob(glob);
    return parts && parts->first == layer && glob_matches(parts->second, name).value_or(false);
  }

  void check_marker() {
    if (trigger.marker.empty() || trigger.marker.contains("${")) return;
    if (trigger.marker.contains('/'))
      return fault("marker", "a marker lies beside its file: its name has no '/'",
                   "write '{name}.done'");
    if (trigger.marker == "{name}")
      return fault("marker", "'{name}' is the file itself", "write '{name}.done'");
    auto rest = trigger.marker;
    for (const std::string_view known : {"{name}", "{stem}"})
      if (const auto at = rest.find(known); at != std::string::npos) rest.erase(at, known.size());
    if (rest.find_first_of("{}*?[") != std::string::npos)
      return fault("marker", fmt::format("'{}' is no name of a marker", trigger.marker),
                   "{name} is the file's name, {stem} the same without its ending: '{name}.done'");
    for (const auto& [member, glob] : trigger.sources()) {
      const auto parts = split_glob(glob);
      if (!parts || glob.contains("${")) continue;
      const std::string sample = sample_name(parts->second);
      if (takes(glob, parts->first, marker_name(trigger.marker, sample)))
        fault("marker",
              fmt::format("'{}' takes markers, too: '{}' would wait for one of its own", glob,
                          marker_name(trigger.marker, sample)),
              "give the pattern an ending that markers do not have, such as *.csv");
    }
  }

  const Json& json_;
};

Json as_map(const Json& json) { return json.is_string() ? Json{{"pattern", json}} : json; }

}  // namespace

std::vector<std::pair<std::string, std::string>> FileTrigger::sources() const {
  std::vector<std::pair<std::string, std::string>> all(set.begin(), set.end());
  if (!pattern.empty()) all.emplace_back("", pattern);
  return all;
}

Result<FileTrigger> file_trigger_from_json(const Json& json) {
  const Json map = as_map(json);
  if (!map.is_object())
    return fail(ErrorCode::kInvalidConfig, "a file_trigger is no {}", json.type_name());
  TriggerReader reader(map);
  reader.read();
  reader.check();
  if (reader.faults.empty()) return std::move(reader.trigger);
  Error error = reader.faults.front().error;
  const std::string& key = reader.faults.front().key;
  if (!key.empty()) error.message = fmt::format("'{}': {}", key, error.message);
  return std::unexpected(std::move(error).while_doing("reading a file_trigger"));
}

std::vector<TriggerFault> check_file_trigger(const Json& json) {
  const Json map = as_map(json);
  if (!map.is_object()) return {};
  TriggerReader reader(map);
  reader.read();
  reader.check();
  return std::move(reader.faults);
}

Result<std::pair<std::string, std::string>> split_glob(std::string_view pattern) {
  const auto slash = pattern.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == pattern.size())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'{}' is not a layer and a glob", pattern),
                          "write the layer, a '/' and the glob, like landing/airports-*.csv");
  return std::pair(std::string(pattern.substr(0, slash)), std::string(pattern.substr(slash + 1)));
}

std::string marker_name(std::string_view marker, std::string_view name) {
  const auto slash = name.rfind('/');
  const auto base_at = slash == std::string_view::npos ? 0 : slash + 1;
  const std::string_view base = name.substr(base_at);
  const auto dot = base.rfind('.');
  const std::string_view stem =
      dot == 0 || dot == std::string_view::npos ? base : base.substr(0, dot);
  std::string made(name.substr(0, base_at));
  for (size_t at = 0; at < marker.size();) {
    const std::string_view rest = marker.substr(at);
    if (rest.starts_with("{name}") || rest.starts_with("{stem}")) {
      made += rest.starts_with("{name}") ? base : stem;
      at += 6;
    } else {
      made += marker[at++];
    }
  }
  return made;
}

std::string sample_name(std::string_view glob) {
  std::string name;
  for (size_t i = 0; i < glob.size(); ++i) {
    const char c = glob[i];
    if (c == '*') {
      if (i + 1 < glob.size() && glob[i + 1] == '*') ++i;
      name += 'x';
    } else if (c == '?') {
      name += 'x';
    } else if (const auto end = glob.find(']', i + 2); c == '[' && end != std::string_view::npos) {
      name += glob[i + 1] == '!' ? '_' : glob[i + 1];
      i = end;
    } else if (const auto close = glob.find('}', i); c == '{' && close != std::string_view::npos) {
      name += glob.substr(i + 1, glob.find_first_of(",}", i) - i - 1);
      i = close;
    } else {
      name += c;
    }
  }
  return name;
}

}  // namespace weir::model
