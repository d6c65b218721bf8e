#include "storage/sftp/writer.h"

#include <utility>

#include "base/check.h"

// Whether an answer was lost after its effect is told by what is there: the temporary name is ours
// alone, so that it is gone only where our rename happened; and of a hard link it is asked whether
// it is the same file as the temporary one.

namespace weir::storage::sftp {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

std::string folder_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return std::string(slash == std::string_view::npos ? "" : name.substr(0, slash));
}

std::string beside(const std::string& folder, std::string_view leaf) {
  return fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", leaf);
}

}  // namespace

SftpWriter::SftpWriter(Connection& connection, std::string name, std::string temporary_leaf)
    : connection_(connection),
      name_(std::move(name)),
      folder_(folder_of(name_)),
      leaf_(name_.substr(folder_.empty() ? 0 : folder_.size() + 1)),
      temporary_leaf_(std::move(temporary_leaf)) {}

Status SftpWriter::append(std::string_view bytes) {
  WEIR_CHECK(!is_finished_);
  if (failure_) return std::unexpected(*failure_);
  digest_.update(bytes);
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, kBufferBytes - buffer_.size());
    buffer_ += piece;
    bytes.remove_prefix(piece.size());
    if (buffer_.size() == kBufferBytes) WEIR_TRY(write_out());
  }
  return {};
}

Status SftpWriter::open(Tree& tree) {
  if (session_ == tree.number()) return {};
  auto folder = tree.make_folder(folder_);
  if (!folder) return std::unexpected(std::move(folder).error());
  temporary_ = beside(*folder, temporary_leaf_);
  target_ = beside(*folder, leaf_);
  const Open how = std::exchange(was_opened_, true) ? Open::kWriteOn : Open::kWriteNew;
  auto handle = tree.session().open(temporary_, how);
  if (!handle && handle.error().code == ErrorCode::kNotFound) {
    // Somebody removed the folder since it was known.
    tree.forget_folders();
    WEIR_TRY(tree.make_folder(folder_));
    handle = tree.session().open(temporary_, how);
  }
  if (!handle)
    return failure_of(std::move(handle).error(), "create a file beside", target_,
                      ErrorCode::kResourceExhausted);
  handle_ = std::move(*handle);
  session_ = tree.number();
  return {};
}

Status SftpWriter::write_out() {
  const auto write = [&](Tree& tree) -> Status {
    WEIR_TRY(open(tree));
    Status done = tree.session().write(handle_, static_cast<uint64_t>(buffer_at_bytes_), buffer_);
    if (!done)
      return failure_of(std::move(done).error(), "write", target_, ErrorCode::kResourceExhausted);
    return {};
  };
  Status done = connection_.with_tree(write);
  if (!done) failure_ = done.error();
  buffer_at_bytes_ += static_cast<int64_t>(buffer_.size());
  buffer_.clear();
  return done;
}

Status SftpWriter::make_lasting_in(Tree& tree) {
  WEIR_TRY(open(tree));
  Session& session = tree.session();
  if (session.extensions().fsync) {
    Status synced = session.sync(handle_);
    if (!synced)
      return failure_of(std::move(synced).error(), "sync", target_, ErrorCode::kUnavailable);
  }
  WEIR_ASSIGN(const Attributes there, session.stat_of(handle_));
  WEIR_TRY(session.close(handle_));
  session_ = 0;
  const int64_t size_bytes = static_cast<int64_t>(there.size_bytes.value_or(0));
  if (size_bytes == buffer_at_bytes_) return {};
  return fail(ErrorCode::kResourceExhausted, "'{}' has {} bytes on the server, {} were sent",
              temporary_, size_bytes, buffer_at_bytes_);
}

Status SftpWriter::make_lasting() {
  if (failure_) return std::unexpected(*failure_);
  WEIR_TRY(write_out());
  const auto finish = [&](Tree& tree) { return make_lasting_in(tree); };
  return connection_.with_tree(finish);
}

Result<Written> SftpWriter::commit(Put mode) {
  WEIR_CHECK(!is_finished_);
  Status done = make_lasting();
  if (done) {
    const auto work = [&](Tree& tree) { return publish(tree, mode); };
    done = connection_.with_tree(work);
    // What was asked may have been done, and nobody told us.
    const bool is_open = !done && was_asked_ &&
                         (done.error().code == ErrorCode::kUnavailable ||
                          done.error().code == ErrorCode::kCancelled);
    if (is_open) done.error().code = ErrorCode::kOutcomeUnknown;
  }
  abort();
  if (!done) return std::unexpected(std::move(done).error());
  return Written{buffer_at_bytes_, digest_.finish_hex()};
}

Result<Written> SftpWriter::commit_if_version(const std::string& /*version*/) {
  WEIR_CHECK(!is_finished_);
  abort();
  return fail_with_hint(ErrorCode::kUnsupported,
                        fmt::format("an SFTP server cannot replace '{}' by version", name_),
                        "keep what is replaced so in a local folder or a bucket");
}

Status SftpWriter::publish(Tree& tree, Put mode) {
  // Paths are of the tree that is there now; a folder may lie elsewhere after a new login.
  WEIR_ASSIGN(const std::string folder, tree.make_folder(folder_));
  temporary_ = beside(folder, temporary_leaf_);
  target_ = beside(folder, leaf_);
  if (mode == Put::kReplace) return replace(tree);
  return tree.session().extensions().hardlink ? link(tree) : rename_if_absent(tree);
}

Result<bool> SftpWriter::is_there(Tree& tree) {
  const auto found = tree.session().lstat(target_);
  if (found) return true;
  if (found.error().code == ErrorCode::kNotFound) return false;
  return std::unexpected(found.error());
}

std::unexpected<Error> SftpWriter::taken(Tree& tree) {
  const auto found = tree.session().lstat(target_);
  if (found && found->is_folder())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("cannot publish '{}': a folder has its name", target_),
                          "a folder of that name is in the way");
  return fail(ErrorCode::kAlreadyExists, "'{}' exists already", target_);
}

Status SftpWriter::link(Tree& tree) {
  const bool was_asked = std::exchange(was_asked_, true);
  Status linked = tree.session().hardlink(temporary_, target_);
  if (linked || tree.session().is_broken()) return linked;
  WEIR_ASSIGN(const bool is_taken, is_there(tree));
  // A server that says "Failure" may have done it all the same.
  if (is_taken && (was_asked || linked.error().code == ErrorCode::kInternal)) {
    WEIR_ASSIGN(const bool is_ours, is_same_file(tree));
    if (is_ours) return {};
  }
  if (is_taken) return taken(tree);
  // Its disk may know no hard links: then as on a server that makes none.
  return rename_if_absent(tree);
}

/// Two names of one file: a mode that is changed through one is seen through the other.
Result<bool> SftpWriter::is_same_file(Tree& tree) {
  constexpr uint32_t kPermissions = 07777;
  constexpr uint32_t kMark = 0100;
  Session& session = tree.session();
  WEIR_ASSIGN(const Attributes ours, session.lstat(temporary_));
  if (!ours.mode) return false;
  const uint32_t before = *ours.mode & kPermissions;
  for (const uint32_t mode : {before ^ kMark, before}) {
    Attributes changed;
    changed.mode = mode;
    WEIR_TRY(session.set_attributes(temporary_, changed));
    WEIR_ASSIGN(const Attributes there, session.lstat(target_));
    if (!there.mode || (*there.mode & kPermissions) != mode) {
      changed.mode = before;
      WEIR_TRY(session.set_attributes(temporary_, changed));
      return false;
    }
  }
  return true;
}

Status SftpWriter::rename_if_absent(Tree& tree) {
  // The server cannot decide (capabilities say so): a look before, and a rename that most refuse
  // where the name is taken.
  const bool was_asked = std::exchange(was_asked_, true);
  if (was_asked) {
    const auto left = tree.session().lstat(temporary_);
    if (!left && left.error().code == ErrorCode::kNotFound) return {};
    if (!left) return std::unexpected(left.error());
  }
  WEIR_ASSIGN(const bool is_taken, is_there(tree));
  if (is_taken) return taken(tree);
  Status renamed = tree.session().rename(temporary_, target_);
  if (renamed || tree.session().is_broken()) return renamed;
  WEIR_ASSIGN(const bool is_taken_now, is_there(tree));
  if (is_taken_now) {
    const auto left = tree.session().lstat(temporary_);
    if (!left && left.error().code == ErrorCode::kNotFound) return {};
    return taken(tree);
  }
  return failure_of(std::move(renamed).error(), "publish", target_, ErrorCode::kUnavailable);
}

/// A version is size and whole seconds: what replaces a file within its second gets another time.
Status SftpWriter::differ_from_what_is_there(Tree& tree) {
  const auto there = tree.session().lstat(target_);
  if (!there || there->is_folder()) return {};
  WEIR_ASSIGN(const Attributes ours, tree.session().lstat(temporary_));
  const bool is_alike =
      ours.size_bytes == there->size_bytes && ours.modified_at_s == there->modified_at_s;
  if (!is_alike || !ours.modified_at_s) return {};
  Attributes later;
  later.accessed_at_s = ours.accessed_at_s.value_or(*ours.modified_at_s);
  later.modified_at_s = *ours.modified_at_s + 1;
  return tree.session().set_attributes(temporary_, later);
}

Status SftpWriter::replace(Tree& tree) {
  Session& session = tree.session();
  const bool was_asked = std::exchange(was_asked_, true);
  if (was_asked) {
    const auto left = session.lstat(temporary_);
    if (!left && left.error().code == ErrorCode::kNotFound) return {};
  }
  WEIR_TRY(differ_from_what_is_there(tree));
  const bool is_atomic = session.extensions().posix_rename;
  Status renamed =
      is_atomic ? session.posix_rename(temporary_, target_) : session.rename(temporary_, target_);
  if (renamed || session.is_broken()) return renamed;
  const auto there = session.lstat(target_);
  if (there && there->is_folder()) return taken(tree);
  if (!is_atomic && there) {
    WEIR_TRY(session.remove(target_));
    renamed = session.rename(temporary_, target_);
    if (renamed || session.is_broken()) return renamed;
  }
  return failure_of(std::move(renamed).error(), "publish", target_, ErrorCode::kUnavailable);
}

void SftpWriter::abort() noexcept {
  if (std::exchange(is_finished_, true)) return;
  is_tidy_ = !was_opened_ || temporary_.empty();
  if (is_tidy_) return;
  const auto remove = [&](Tree& tree) -> Status {
    if (session_ == tree.number()) WEIR_TRY(tree.session().close(handle_));
    const Status removed = tree.session().remove(temporary_);
    is_tidy_ = removed || removed.error().code == ErrorCode::kNotFound;
    return removed;
  };
  connection_.tidy_up(remove);
}

std::string SftpWriter::left() const {
  if (is_tidy_) return "";
  return fmt::format("{}{}{}", folder_, folder_.empty() ? "" : "/", temporary_leaf_);
}

}  // namespace weir::storage::sftp
