#pragma once

/// A store in a folder of an SFTP server: version 3 of the protocol, as OpenSSH and nearly every
/// other server speak it. It trusts no host key that nobody named, dials again where a connection
/// breaks, and goes on where it stopped. It knows nothing of where passwords and keys come from.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "net/retry.h"
#include "storage/storage.h"

namespace weir::storage {

struct SftpOptions {
  std::string user;
  /// Fingerprints of the keys that the host may have, `SHA256:…` as `ssh-keygen -lf` shows them.
  std::vector<std::string> host_keys;
  std::string known_hosts;              ///< Path of a file as ssh(1) has it. One of both is needed.
  int64_t connect_timeout_ms = 20'000;  ///< From the first packet to the end of the login.
  int64_t stall_timeout_ms = 60'000;    ///< For so long nothing went by in either direction.
  int max_tries = 8;                    ///< Of each step whose connection broke, at least 1.
  int64_t deadline_ms = 300'000;        ///< Of each step with all its tries and waits.
  net::Backoff backoff;
};

/// What proves who we are. The key is tried first, where there is one.
struct SftpLogin {
  std::string password = {};
  std::string private_key = {};  ///< Text of the file: OpenSSH's own form, or PEM.
  std::string passphrase = {};   ///< Of the key, where it is locked.
};

class SftpLogins {
 public:
  virtual ~SftpLogins() = default;
  virtual Result<SftpLogin> get(const Cancel& cancel) = 0;
  /// The server did not take it: the next get() asks anew, since it may have been rotated.
  virtual void forget() = 0;
};

/// What a store works with. Everything outlives it.
struct SftpGround {
  SftpLogins* logins = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  net::Wait wait;
  const Cancel* cancel = nullptr;
};

/// The store at `sftp://host[:port]/folder` (`/~/folder`: below the user's home); nobody is called
/// yet. It has one connection, whose requests take turns. An entry's time is in whole seconds, its
/// version is size and time: what others replace within a second by as many bytes looks unchanged.
/// Folders that are symbolic links are not listed, links to files are followed below the root.
///
/// kInvalidConfig for another URI. Later, beside what Storage says: kDenied for a host key that is
/// not as named (before anything of the login is said), and for a login that the server does not
/// take; kUnavailable after `max_tries` or the deadline; kConflict where a file changed while a
/// broken connection was mended.
Result<std::unique_ptr<Storage>> make_sftp_storage(const std::string& uri, SftpOptions options,
                                                   SftpGround ground);

}  // namespace weir::storage
