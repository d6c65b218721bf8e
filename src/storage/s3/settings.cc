#include "storage/s3_settings.h"

#include <array>
#include <functional>
#include <map>

#include "base/instant.h"
#include "base/nearest.h"
#include "storage/s3/address.h"

namespace weir::storage {
namespace {

using Reader = std::function<Status(const Json&)>;

std::unexpected<Error> refuse(std::string why, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

Reader into_text(std::string& to) {
  return [&to](const Json& value) -> Status {
    if (!value.is_string()) return refuse("it is no text", "");
    to = value.get<std::string>();
    return {};
  };
}

template <typename Enum, size_t kSize>
Reader into_choice(Enum& to, const std::array<std::pair<std::string_view, Enum>, kSize>& choices) {
  return [&to, choices](const Json& value) -> Status {
    std::string all;
    for (const auto& [word, meaning] : choices) {
      if (value == word) {
        to = meaning;
        return {};
      }
      all += (all.empty() ? "" : ", ") + std::string(word);
    }
    return refuse(fmt::format("{} is not known", dump_json(value)), "write one of: " + all);
  };
}

Reader into_flag(bool& to) {
  return [&to](const Json& value) -> Status {
    // YAML of a row may bring it as a word.
    if (value != true && value != false && value != "true" && value != "false")
      return refuse("it is neither true nor false", "");
    to = value == true || value == "true";
    return {};
  };
}

template <typename Integer>
Reader into_number(Integer& to, Integer least) {
  return [&to, least](const Json& value) -> Status {
    if (!value.is_number_integer() || value.get<int64_t>() < least ||
        value.get<int64_t>() > std::numeric_limits<Integer>::max())
      return refuse(fmt::format("it is no whole number from {}", least), "");
    to = value.get<Integer>();
    return {};
  };
}

Reader into_duration(int64_t& to) {
  return [&to](const Json& value) -> Status {
    if (!value.is_string()) return refuse("it is no duration", "write it like 5m or 90s");
    WEIR_ASSIGN(to, parse_duration_ms(value.get<std::string>()));
    return {};
  };
}

std::map<std::string, Reader> readers_of(S3Settings& settings) {
  constexpr std::array kAddressings = {
      std::pair{std::string_view("automatic"), Addressing::kAutomatic},
      std::pair{std::string_view("path"), Addressing::kPath},
      std::pair{std::string_view("virtual_host"), Addressing::kVirtualHost}};
  constexpr std::array kEncryptions = {
      std::pair{std::string_view("of_bucket"), Encryption::kOfBucket},
      std::pair{std::string_view("s3"), Encryption::kS3},
      std::pair{std::string_view("kms"), Encryption::kKms}};
  S3Options& options = settings.options;
  return {{"uri", into_text(settings.uri)},
          {"endpoint", into_text(options.endpoint)},
          {"region", into_text(options.region)},
          {"addressing", into_choice(options.addressing, kAddressings)},
          {"encryption", into_choice(options.encryption, kEncryptions)},
          {"kms_key_id", into_text(options.kms_key_id)},
          {"storage_class", into_text(options.storage_class)},
          {"requester_pays", into_flag(options.is_requester_pays)},
          {"max_tries", into_number(options.max_tries, 1)},
          {"deadline", into_duration(options.deadline_ms)},
          {"part_bytes", into_number(options.part_bytes, int64_t{5} << 20)},
          {"ca_file", into_text(settings.ca_file)},
          {"profile", into_text(settings.profile)},
          {"role_arn", into_text(settings.role_arn)},
          {"external_id", into_text(settings.external_id)}};
}

}  // namespace

Result<S3Settings> read_s3_settings(const Json& options) {
  S3Settings settings;
  const auto readers = readers_of(settings);
  for (const auto& [key, value] : options.items()) {
    const auto reader = readers.find(key);
    if (reader == readers.end()) {
      std::vector<std::string> known;
      for (const auto& [name, unused] : readers) known.push_back(name);
      const std::string guess = did_you_mean(key, known);
      return refuse(fmt::format("a connection of kind 's3' has no option '{}'", key),
                    guess.empty() ? fmt::format("options are: {}", fmt::join(known, ", ")) : guess);
    }
    Status read = reader->second(value);
    if (!read) {
      Error error = std::move(read).error();
      error.message = fmt::format("option '{}': {}", key, error.message);
      return std::unexpected(std::move(error));
    }
  }
  if (settings.uri.empty())
    return refuse("a connection of kind 's3' needs a uri",
                  "write uri: s3://bucket, or s3://bucket/prefix");
  WEIR_TRY(s3::Address::parse(settings.uri, settings.options));
  return settings;
}

Status add_environment(S3Settings& settings, const Environment& environment) {
  const auto fill = [&](std::string& to, const char* variable) {
    if (to.empty()) to = environment.get(variable).value_or("");
  };
  fill(settings.options.endpoint, "AWS_ENDPOINT_URL_S3");
  fill(settings.options.endpoint, "AWS_ENDPOINT_URL");
  fill(settings.ca_file, "AWS_CA_BUNDLE");
  if (settings.options.region.empty()) {
    WEIR_ASSIGN(settings.options.region, net::configured_region(environment, settings.profile));
  }
  return {};
}

bool is_at_or_below(std::string_view uri, std::string_view place) {
  while (place.ends_with('/')) place.remove_suffix(1);
  return uri.starts_with(place) && (uri.size() == place.size() || uri[place.size()] == '/');
}

}  // namespace weir::storage
