#pragma once

/// The certificate that a server shows and its key: read from files at the start, and again when
/// they were renewed. What cannot be used leaves in use what there was.

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <boost/asio/ssl/context.hpp>

#include "base/check.h"
#include "base/result.h"

namespace weir::server {

/// Safe to use from many threads at once, but for look().
class Certificate {
 public:
  /// `certificate` with the chain and `key`, both PEM files. kNotFound where one is not there,
  /// kInvalidConfig where they do not go together.
  static Result<std::unique_ptr<Certificate>> read(std::string certificate, std::string key);

  /// What a new connection begins with.
  std::shared_ptr<boost::asio::ssl::context> context() const;
  int64_t expires_at_us() const;

  enum class When { kSettled, kAtOnce };
  /// Reads the files again if they changed and then stayed as they are from one look to the next,
  /// or at once. True: what they hold is in use from now on. An error is told once for each change
  /// of the files: as read(), and kInvalidData for a certificate that had expired by `now_us`.
  Result<bool> look(When when, int64_t now_us);

 private:
  struct Pair {
    std::shared_ptr<boost::asio::ssl::context> context;
    int64_t expires_at_us = 0;
  };
  Certificate(std::string certificate, std::string key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}
  Result<Pair> load() const;
  std::string state_of_files() const;

  const std::string certificate_;
  const std::string key_;
  std::string tried_;  ///< How the files were when they were last read,
  std::string seen_;   ///< and when they were last looked at.
  mutable std::mutex mutex_;
  Pair pair_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::server
