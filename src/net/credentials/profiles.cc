#include "net/credentials/profiles.h"

#include <fstream>

#include "net/credentials.h"

namespace weir::net {
namespace credentials {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The profile of a section; empty for sections of another kind (`sso-session …`).
std::string profile_of_section(std::string_view section, bool is_config) {
  constexpr std::string_view kWord = "profile";
  if (!is_config) return std::string(section);
  if (section == "default") return std::string(section);
  if (!section.starts_with(kWord)) return {};
  return std::string(trimmed(section.substr(kWord.size())));
}

/// No line is shown: it may hold a key.
std::unexpected<Error> refuse(const std::string& path, int64_t line, std::string_view why) {
  Error error{ErrorCode::kInvalidConfig,
              fmt::format("{}:{}: {}", path, line, why),
              {},
              "sections are [name] or [profile name], settings are name = value",
              std::nullopt};
  return std::unexpected(std::move(error));
}

Status read_file(const std::string& path, bool is_config, Profiles& profiles) {
  std::ifstream file(path);
  std::string text;
  Profile* profile = nullptr;
  bool is_in_section = false;
  for (int64_t line = 1; std::getline(file, text); ++line) {
    const auto whole = trimmed(text);
    if (whole.empty() || whole.front() == '#' || whole.front() == ';') continue;
    if (whole.front() == '[') {
      if (whole.back() != ']') return refuse(path, line, "a section does not end in ']'");
      const auto name = profile_of_section(trimmed(whole.substr(1, whole.size() - 2)), is_config);
      profile = name.empty() ? nullptr : &profiles.by_name[name];
      is_in_section = true;
      continue;
    }
    // Settings below a setting (`s3 =`) are indented; none of them is for us.
    if (text.front() == ' ' || text.front() == '\t') continue;
    const auto equals = whole.find('=');
    if (equals == std::string_view::npos) return refuse(path, line, "a setting has no '='");
    if (!is_in_section) return refuse(path, line, "a setting stands before any section");
    if (profile != nullptr)
      (*profile)[std::string(trimmed(whole.substr(0, equals)))] = trimmed(whole.substr(equals + 1));
  }
  return {};
}

std::string place(const Environment& environment, const char* variable, const char* in_home) {
  if (const auto given = environment.get(variable); given && !given->empty()) return *given;
  const auto home = environment.get("HOME");
  return home && !home->empty() ? *home + in_home : std::string();
}

}  // namespace

Result<Profiles> read_profiles(const Environment& environment) {
  Profiles profiles;
  const auto config = place(environment, "AWS_CONFIG_FILE", "/.aws/config");
  const auto keys = place(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
  profiles.places =
      keys.empty() && config.empty() ? "HOME is not set" : fmt::format("{}, {}", keys, config);
  if (!config.empty()) WEIR_TRY(read_file(config, true, profiles));
  if (!keys.empty()) WEIR_TRY(read_file(keys, false, profiles));
  return profiles;
}

std::string profile_name(const Environment& environment, const std::string& given) {
  if (!given.empty()) return given;
  const auto named = environment.get("AWS_PROFILE");
  return named && !named->empty() ? *named : "default";
}

}  // namespace credentials

Result<std::string> configured_region(const Environment& environment, const std::string& profile) {
  for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (const auto region = environment.get(variable); region && !region->empty()) return *region;
  WEIR_ASSIGN(const auto profiles, credentials::read_profiles(environment));
  const auto found = profiles.by_name.find(credentials::profile_name(environment, profile));
  if (found == profiles.by_name.end()) return std::string();
  const auto region = found->second.find("region");
  return region == found->second.end() ? std::string() : region->second;
}

}  // namespace weir::net
