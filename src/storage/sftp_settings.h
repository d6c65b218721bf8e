#pragma once

/// How users say what holds for an SFTP server: the options of a connection of kind `sftp`. It
/// opens nothing and holds no secrets, only what they are called.

#include <string>

#include "base/json.h"
#include "storage/sftp.h"

namespace weir::storage {

struct SftpSettings {
  std::string uri;  ///< Holds for stores at this URI and below.
  SftpOptions options;
  std::string private_key_file;  ///< Relative to the project.
  // References to secrets (`secret://id#field`), or empty.
  std::string password;
  std::string private_key;
  std::string passphrase;
};

/// Reads the options of a connection of kind `sftp`; see docs/guide/sftp.md. kInvalidConfig names
/// the option that is unknown, of another type or of a value that nobody knows, and a secret that
/// stands there in clear.
Result<SftpSettings> read_sftp_settings(const Json& options);

}  // namespace weir::storage
