#pragma once

/// One object on its way into a local folder: a temporary file beside the target, then rename or
/// link. It knows nothing of roots and names, only of the folder and the leaf.

#include <optional>
#include <string>

#include <sys/stat.h>

#include "base/digest.h"
#include "storage/local/beneath.h"
#include "storage/storage.h"

namespace weir::storage::local {

struct Target {
  Descriptor folder;
  std::string leaf;
  std::string temporary_leaf;
  std::string path;  ///< The whole path, for messages.
};

/// Not for use from several threads at once.
class LocalWriter final : public Writer {
 public:
  /// Makes the temporary file.
  static Result<std::unique_ptr<Writer>> start(Target target);

  LocalWriter(Target target, Descriptor file)
      : target_(std::move(target)), file_(std::move(file)) {}
  ~LocalWriter() override { abort(); }
  LocalWriter(const LocalWriter&) = delete;
  LocalWriter& operator=(const LocalWriter&) = delete;

  Status append(std::string_view bytes) override;
  Result<Written> commit(Put mode) override;
  Result<Written> commit_if_version(const std::string& version) override;
  void abort() noexcept override;

 private:
  Status append_piece(std::string_view bytes);
  Status write_out(std::string_view bytes);
  enum class Leaves { kNothing, kTemporaryName };
  Result<Written> finish(Status published, Leaves leaves);
  Status make_lasting();
  Status publish(Put mode);
  Status publish_if_version(const std::string& version);
  Result<Descriptor> lock_folder() const;
  Status let_time_pass_since(const struct stat& there) const;
  Status publish_if_absent();
  Error publish_failure(int error_number) const;
  bool is_folder_in_the_way() const;

  Target target_;
  Descriptor file_;
  std::string buffer_;
  Sha256 digest_;
  int64_t size_bytes_ = 0;
  std::optional<Error> failure_;  ///< The first one stays: what follows a lost write is worthless.
  bool is_finished_ = false;
};

}  // namespace weir::storage::local
