#pragma once

/// Who keeps the secrets of a project, and AWS keys that are kept as one.

#include <memory>
#include <string>
#include <vector>

#include "app/stores.h"
#include "net/credentials.h"
#include "net/http.h"
#include "secrets/secrets.h"
#include "storage/sftp_settings.h"

namespace weir::app {

/// Where sealed secrets of a project lie: WEIR_SECRETS_FILE, or `secrets.sealed` in its folder; and
/// their key: WEIR_SECRETS_KEY_FILE, or `weir/secrets.key` in XDG_CONFIG_HOME (~/.config).
std::string secrets_file(const Environment& environment, const std::string& base_folder);
std::string secrets_key_file(const Environment& environment);

/// Asked in this order: the environment, the sealed file, and each connection of kind
/// `aws_secrets_manager`. kInvalidConfig names the connection and the option at fault.
Result<std::unique_ptr<secrets::Secrets>> make_secrets(
    const std::string& file, const std::vector<model::Connection>& connections,
    StoresGround ground);

/// Keys as AWS's own tools find them. `http` reaches everywhere: roles of instances and containers
/// are given out at addresses of the link. It and `ground` outlive the source.
std::unique_ptr<net::CredentialSource> make_aws_keys(net::CredentialOptions options,
                                                     net::Http& http, const StoresGround& ground);

/// Keys in a secret that is a JSON object with `access_key_id`, `secret_access_key` and, for keys
/// with an end, `session_token`. What a service does not take is fetched anew: it may have been
/// rotated. `secrets` outlives the source.
std::unique_ptr<net::CredentialSource> make_secret_keys(secrets::Secrets& secrets,
                                                        secrets::Reference reference);

/// The login of an SFTP server: what its options refer to, then what `secret_id` holds (a JSON
/// object with `password`, `private_key`, `passphrase`, or one text: a key where it looks like one,
/// else a password), then the key's file. `secrets` outlives it. kInvalidConfig for a `secret_id`
/// that is none.
Result<std::unique_ptr<storage::SftpLogins>> make_sftp_logins(secrets::Secrets& secrets,
                                                              const storage::SftpSettings& settings,
                                                              const std::string& secret_id);

}  // namespace weir::app
