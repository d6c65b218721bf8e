#include "base/option_reader.h"
#include "base/redact.h"
#include "storage/sftp/address.h"
#include "storage/sftp_settings.h"

namespace weir::storage {
namespace {

std::unexpected<Error> refuse(std::string why, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
}

OptionReader into_reference(std::string& to) {
  return [&to](const Json& value) -> Status {
    // The value itself is in no message.
    if (!value.is_string() || !refers_to_secret(value.get_ref<const std::string&>()))
      return refuse("it holds a secret in clear",
                    "keep it with `weir secret set ID`, and write secret://ID here");
    to = value.get<std::string>();
    return {};
  };
}

Status check_fingerprint(const std::string& text) {
  constexpr std::string_view kStart = "SHA256:";
  constexpr size_t kDigits = 43;  // 32 bytes in base64, without the '=' at the end
  if (text.starts_with(kStart) && text.size() == kStart.size() + kDigits) return {};
  return refuse(fmt::format("'{}' is no fingerprint", text),
                "write it as `ssh-keygen -lf` shows it: SHA256: and 43 letters and digits");
}

/// One, or a list of them.
OptionReader into_fingerprints(std::vector<std::string>& to) {
  return [&to](const Json& value) -> Status {
    for (const Json& each : value.is_array() ? value : Json::array({value})) {
      if (!each.is_string()) return refuse("it is no text and no list of texts", "");
      const auto text = each.get<std::string>();
      WEIR_TRY(check_fingerprint(text));
      to.push_back(text);
    }
    return {};
  };
}

}  // namespace

Result<SftpSettings> read_sftp_settings(const Json& options) {
  SftpSettings settings;
  SftpOptions& into = settings.options;
  WEIR_TRY(read_options("sftp", options,
                        {{"uri", into_text(settings.uri)},
                         {"user", into_text(into.user)},
                         {"host_key", into_fingerprints(into.host_keys)},
                         {"known_hosts", into_text(into.known_hosts)},
                         {"private_key_file", into_text(settings.private_key_file)},
                         {"password", into_reference(settings.password)},
                         {"private_key", into_reference(settings.private_key)},
                         {"passphrase", into_reference(settings.passphrase)},
                         {"connect_timeout", into_duration(into.connect_timeout_ms)},
                         {"stall_timeout", into_duration(into.stall_timeout_ms)},
                         {"max_tries", into_number(into.max_tries, 1)},
                         {"deadline", into_duration(into.deadline_ms)}}));
  if (settings.uri.empty())
    return refuse("a connection of kind 'sftp' needs a uri", "write uri: sftp://host/folder");
  WEIR_TRY(sftp::Address::parse(settings.uri));
  if (into.user.empty())
    return refuse("a connection of kind 'sftp' needs a user", "write user: the name at the server");
  if (!into.host_keys.empty() && !into.known_hosts.empty())
    return refuse("'host_key' and 'known_hosts' both say which key the host has", "keep one");
  return settings;
}

}  // namespace weir::storage
