#include "storage/s3_settings.h"

#include <array>
#include <map>

#include "base/option_reader.h"
#include "storage/s3/address.h"

namespace weir::storage {
namespace {

std::unexpected<Error> refuse(std::string why, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

std::map<std::string, OptionReader> readers_of(S3Settings& settings) {
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
  WEIR_TRY(read_options("s3", options, readers_of(settings)));
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
