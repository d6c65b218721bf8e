#pragma once

/// A real sshd of a test's own on 127.0.0.1 and a free port, for the user that runs the test, with
/// keys made for it. Where openssh-server is not installed the test skips.

#include <memory>
#include <string>

#include "base/result.h"
#include "storage/sftp.h"

namespace weir::testing {

/// Stopped, with its data removed, with the object. For one thread at a time.
class SftpServer {
 public:
  virtual ~SftpServer() = default;
  virtual int port() const = 0;
  /// An empty folder of the server's disk.
  virtual Result<std::string> make_folder() = 0;
  /// `SHA256:…` of its host key.
  virtual const std::string& fingerprint() const = 0;
  virtual const std::string& user() const = 0;
  virtual const std::string& private_key() const = 0;
  /// Ends every connection at once, as a cable that is pulled out; the server goes on.
  virtual void drop_connections() = 0;
  virtual int connections() const = 0;
  /// The server and its connections stand still, and go on.
  virtual void stand_still() = 0;
  virtual void go_on() = 0;
};

/// kNotFound where its program is not there: print it and skip.
Result<std::unique_ptr<SftpServer>> start_sftp_server();

}  // namespace weir::testing
