#pragma once

/// A channel through SSH: the connection, the proof that the host is the one that was named, the
/// login, and the SFTP subsystem. Only this file's .cc knows libssh.

#include "storage/sftp.h"
#include "storage/sftp/address.h"
#include "storage/sftp/channel.h"

namespace weir::storage::sftp {

/// Connects once. kDenied where the host's key is not as named (nothing of the login was said
/// then) or the login is not taken; kUnavailable, kCancelled.
Result<std::unique_ptr<Channel>> dial(const Address& address, const SftpOptions& options,
                                      const SftpLogin& login, const SftpGround& ground);

/// Whether the error says that the login was not taken.
bool is_login_refused(const Error& error);

}  // namespace weir::storage::sftp
