#include "schedule/zone.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <absl/time/time.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/nearest.h"

namespace weir::schedule {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

/// Where Debian and nearly all others keep it; the library looks there, too.
constexpr const char* kDatabase = "/usr/share/zoneinfo";

/// Names as the database spells them: `Area/Place`. No other trees that lie beside it, no paths.
bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '/' || name.contains("..")) return false;
  for (const std::string_view other : {"posix/", "right/", "localtime", "posixrules", "Factory"})
    if (name.starts_with(other)) return false;
  return std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '/' || c == '_' || c == '-' || c == '+';
  });
}

/// Only other trees and files that are no zones are left out.
std::vector<std::string> zone_names() {
  std::vector<std::string> names = {"UTC"};
  std::error_code problem;
  std::filesystem::recursive_directory_iterator each(kDatabase, problem);
  for (const std::filesystem::recursive_directory_iterator end; !problem && each != end;
       each.increment(problem)) {
    const std::string name = each->path().string().substr(std::string_view(kDatabase).size() + 1);
    if (name == "posix" || name == "right") each.disable_recursion_pending();
    if (!is_zone_name(name) || !each->is_regular_file(problem)) continue;
    std::array<char, 4> magic = {};
    std::ifstream(each->path(), std::ios::binary).read(magic.data(), magic.size());
    if (std::string_view(magic.data(), magic.size()) == "TZif") names.push_back(name);
  }
  return names;
}

/// The zone of that place where the area is missing or another: `Berlin` is `Europe/Berlin`.
std::string same_place(std::string_view name, const std::vector<std::string>& names) {
  const auto place_of = [](std::string_view path) {
    std::string place(path.substr(path.rfind('/') + 1));
    std::ranges::transform(place, place.begin(), [](unsigned char c) {
      return c == ' ' ? '_' : static_cast<char>(std::tolower(c));
    });
    return place;
  };
  const std::string place = place_of(name);
  const auto found = std::ranges::find(names, place, place_of);
  return found == names.end() ? "" : fmt::format("did you mean '{}'?", *found);
}

std::unexpected<Error> unknown_zone(const std::string& name,
                                    const std::vector<std::string>& names) {
  if (names.size() < 2)
    return fail_with_hint(
        ErrorCode::kUnavailable,
        fmt::format("time zone '{}' is not known: this machine has no time zones in {}", name,
                    kDatabase),
        "install the package tzdata, or write UTC");
  std::string guess = same_place(name, names);
  if (guess.empty()) guess = did_you_mean(name, names);
  return fail_with_hint(
      ErrorCode::kInvalidConfig, fmt::format("there is no time zone '{}'", name),
      guess.empty() ? "zones have names of the IANA database, such as Europe/Berlin" : guess);
}

std::vector<Span> spans_of(const absl::TimeZone& zone) {
  const absl::Time end = absl::FromUnixSeconds(Zone::kEnd);
  absl::Time at = absl::FromUnixSeconds(Zone::kBeginning);
  std::vector<Span> spans = {{Zone::kBeginning, Zone::kEnd, zone.At(at).offset}};
  absl::TimeZone::CivilTransition change;
  while (zone.NextTransition(at, &change)) {
    // What clocks are set to is either shown for the first time then, or the first thing that they
    // show again: in both cases this is the instant of the change.
    const absl::Time next = zone.At(change.to).trans;
    WEIR_CHECK(next > at);
    at = next;
    if (at >= end) break;
    const int64_t offset = zone.At(at).offset;
    if (offset == spans.back().offset_s) continue;  // another name, the same time
    spans.back().end_s = absl::ToUnixSeconds(at);
    spans.push_back({absl::ToUnixSeconds(at), Zone::kEnd, offset});
  }
  return spans;
}

}  // namespace

Zone::Zone(std::string name, std::vector<Span> spans)
    : name_(std::move(name)), spans_(std::move(spans)) {}

size_t Zone::index_at(int64_t at_s) const {
  const auto after = std::ranges::upper_bound(spans_, at_s, {}, &Span::begin_s);
  return after == spans_.begin() ? 0 : static_cast<size_t>(after - spans_.begin()) - 1;
}

int64_t Zone::instant_of(int64_t wall_s) const {
  // No clock is more than a day or so from UTC: an earlier span cannot show it.
  constexpr int64_t kFarthest = 2 * 86'400;
  for (size_t i = index_at(wall_s - kFarthest); i < spans_.size(); ++i) {
    const Span& span = spans_[i];
    if (wall_s >= span.end_s + span.offset_s) continue;
    return std::max(wall_s - span.offset_s, span.begin_s);
  }
  return wall_s - spans_.back().offset_s;
}

std::string Zone::local_text(int64_t at_us) const {
  const int64_t at_s = at_us / kSecondUs - (at_us % kSecondUs < 0 ? 1 : 0);
  const int64_t offset = spans_[index_at(at_s)].offset_s;
  std::string text = format_instant(at_us + offset * kSecondUs);
  text.pop_back();  // Z
  const int64_t distance = std::abs(offset);
  text += fmt::format("{}{:02}:{:02}", offset < 0 ? '-' : '+', distance / 3600, distance / 60 % 60);
  if (distance % 60 != 0) text += fmt::format(":{:02}", distance % 60);
  return text;
}

Result<std::shared_ptr<const Zone>> Zones::find(const std::string& name) {
  if (const auto known = known_.find(name); known != known_.end()) return known->second;
  absl::TimeZone zone;
  if (!is_zone_name(name) || !absl::LoadTimeZone(name, &zone)) {
    if (names_.empty()) names_ = zone_names();
    return unknown_zone(name, names_);
  }
  auto made = std::make_shared<const Zone>(name, spans_of(zone));
  known_.emplace(name, made);
  return made;
}

std::string tzdata_version() {
  constexpr std::string_view kHead = "# version ";
  std::string line;
  std::getline(std::ifstream(std::string(kDatabase) + "/tzdata.zi") >> std::ws, line);
  if (line.starts_with(kHead)) return line.substr(kHead.size());
  line.clear();
  std::getline(std::ifstream(std::string(kDatabase) + "/+VERSION") >> std::ws, line);
  return line;
}

}  // namespace weir::schedule
