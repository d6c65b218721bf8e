#include "storage/sftp/connection.h"

#include "base/printable.h"

namespace weir::storage::sftp {
namespace {

std::string joined(const std::string& folder, std::string_view leaf) {
  return fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", leaf);
}

std::string_view hint_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kDenied: return "ask the server's owner to give this user the rights to it";
    case ErrorCode::kResourceExhausted:
      return "the server may be full or this user at its quota: nothing half-written is visible";
    default: return "";
  }
}

}  // namespace

std::unexpected<Error> failure_of(Error error, std::string_view action, std::string_view path,
                                  ErrorCode otherwise) {
  if (error.code == ErrorCode::kInternal) error.code = otherwise;
  error.message = fmt::format("cannot {} '{}': {}", action, printable(path), error.message);
  if (error.hint.empty()) error.hint = hint_for(error.code);
  return std::unexpected(std::move(error));
}

Result<std::string> Tree::root_path() {
  if (!real_root_.empty()) return real_root_;
  auto found = session_->real_path(root_);
  if (!found && found.error().code == ErrorCode::kInternal && has_file_in_its_way(root_))
    found.error().code = ErrorCode::kNotFound;
  if (!found) return found;
  // A server that resolves nothing gives relative paths back as they are, or none.
  if (!found->starts_with('/'))
    return fail(ErrorCode::kUnsupported, "the server gives '{}' as the whole path of '{}'", *found,
                root_);
  return real_root_ = std::move(*found);
}

Result<std::string> Tree::find_folder(const std::string& folder) {
  if (const auto found = known_.find(folder); found != known_.end()) return found->second;
  WEIR_ASSIGN(std::string root, root_path());
  if (folder.empty()) return root;
  const std::string path = joined(root, folder);
  auto real = session_->real_path(path);
  if (!real && real.error().code == ErrorCode::kInternal && is_beneath_a_file(folder))
    return fail(ErrorCode::kNotFound, "there is no folder '{}'", path);
  if (!real && real.error().code == ErrorCode::kNotFound) return real;
  if (!real) return failure_of(std::move(real).error(), "find", path, ErrorCode::kUnavailable);
  if (root != "/" && !real->starts_with(root + "/"))
    return fail_with_hint(ErrorCode::kDenied,
                          fmt::format("'{}' leads out of the store's folder '{}'", path, root),
                          "only links that stay below the root are followed: copy the files");
  return real;
}

bool Tree::has_file_in_its_way(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const auto above = session_->stat(path.substr(0, end));
    if (above && !above->is_folder()) return true;
    if (!above || end == std::string::npos) return false;
  }
}

bool Tree::is_beneath_a_file(const std::string& folder) {
  for (size_t slash = folder.find('/');; slash = folder.find('/', slash + 1)) {
    const auto above = session_->stat(joined(real_root_, folder.substr(0, slash)));
    if (above && !above->is_folder()) return true;
    if (!above || slash == std::string::npos) return false;
  }
}

Result<std::optional<Tree::Found>> Tree::follow(const std::string& path) {
  WEIR_ASSIGN(const std::string root, root_path());
  auto real = session_->real_path(path);
  if (!real && real.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!real)
    return failure_of(std::move(real).error(), "follow the link", path, ErrorCode::kDenied);
  if (root != "/" && !real->starts_with(root + "/"))
    return fail_with_hint(ErrorCode::kDenied,
                          fmt::format("'{}' leads out of the store's folder '{}'", path, root),
                          "only links that stay below the root are followed: copy the file");
  auto attributes = session_->lstat(*real);
  if (!attributes && attributes.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!attributes) return std::unexpected(std::move(attributes).error());
  if (!attributes->is_file()) return std::nullopt;
  return Found{std::move(*real), *attributes};
}

Result<Tree::Found> Tree::find(std::string_view name) {
  const auto slash = name.rfind('/');
  const std::string folder(slash == std::string_view::npos ? "" : name.substr(0, slash));
  WEIR_ASSIGN(const std::string parent, find_folder(folder));
  const std::string path =
      joined(parent, slash == std::string_view::npos ? name : name.substr(slash + 1));
  auto attributes = session_->lstat(path);
  if (!attributes && attributes.error().code == ErrorCode::kInternal) {
    const auto above = session_->stat(parent);
    if (above && !above->is_folder()) attributes.error().code = ErrorCode::kNotFound;
  }
  if (!attributes)
    return failure_of(std::move(attributes).error(), "find", path, ErrorCode::kUnavailable);
  if (attributes->is_link()) {
    WEIR_ASSIGN(auto found, follow(path));
    if (found) return std::move(*found);
  }
  if (!attributes->is_file())
    return fail(ErrorCode::kNotFound, "cannot find '{}': it is no file", path);
  return Found{path, *attributes};
}

Result<std::string> Tree::make_folder(const std::string& folder) {
  if (const auto found = known_.find(folder); found != known_.end()) return found->second;
  constexpr size_t kMostKnown = 10'000;
  if (known_.size() >= kMostKnown) known_.clear();
  std::string parent;
  std::string path;
  if (folder.empty()) {
    const auto slash = root_.rfind('/');
    // The root's own parents, one after another; they are outside of the store.
    for (size_t end = root_.find('/', 1); slash != std::string::npos;
         end = root_.find('/', end + 1)) {
      path = root_.substr(0, end);
      const auto there = session_->stat(path);
      if (!there && there.error().code == ErrorCode::kNotFound) {
        const auto made = session_->make_folder(path);
        if (!made && !session_->stat(path))
          return failure_of(std::move(made).error(), "make the folder", path,
                            ErrorCode::kUnavailable);
      }
      if (end == std::string::npos) break;
    }
    WEIR_ASSIGN(path, root_path());
  } else {
    const auto slash = folder.rfind('/');
    WEIR_ASSIGN(parent, make_folder(slash == std::string::npos ? "" : folder.substr(0, slash)));
    path = joined(parent, slash == std::string::npos ? folder : folder.substr(slash + 1));
    if (!session_->lstat(path)) {
      auto made = session_->make_folder(path);
      // Another may have made it in between.
      if (!made && !session_->lstat(path))
        return failure_of(std::move(made).error(), "make the folder", path,
                          ErrorCode::kUnavailable);
    }
    WEIR_ASSIGN(path, find_folder(folder));
  }
  auto there = session_->stat(path);
  if (!there) return failure_of(std::move(there).error(), "find", path, ErrorCode::kUnavailable);
  if (!there->is_folder())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("cannot make the folder '{}': a file has its name", path),
                          "an object is in the way where a folder is needed");
  return known_[folder] = path;
}

Status Connection::dial() {
  WEIR_ASSIGN(auto channel, dial_());
  WEIR_ASSIGN(auto session, Session::start(std::move(channel)));
  tree_ = std::make_unique<Tree>(std::move(session), root_, ++dialled_);
  return {};
}

Status Connection::once(const std::function<Status(Tree&)>& work) {
  if (tree_ == nullptr || tree_->session().is_broken()) {
    tree_.reset();
    WEIR_TRY(dial());
  }
  return work(*tree_);
}

Status Connection::with_tree(const std::function<Status(Tree&)>& work) {
  const int64_t end_us = ground_.clock->monotonic_us() + options_.deadline_ms * 1000;
  const std::lock_guard lock(mutex_);
  for (int tries = 1;; ++tries) {
    Status done = once(work);
    if (done) return done;
    // A "Failure" that no step knew better: it may mean anything, so it may pass.
    if (done.error().code == ErrorCode::kInternal) done.error().code = ErrorCode::kUnavailable;
    const bool is_connected = tree_ != nullptr && !tree_->session().is_broken();
    const bool may_go_on = !is_connected && done.error().code == ErrorCode::kUnavailable;
    if (!may_go_on || tries >= options_.max_tries) return done;
    const int64_t wait_ms = options_.backoff.wait_ms(tries, *ground_.random);
    if (ground_.clock->monotonic_us() + wait_ms * 1000 > end_us) return done;
    WEIR_TRY(ground_.wait(wait_ms, *ground_.cancel));
  }
}

void Connection::tidy_up(const std::function<Status(Tree&)>& work) noexcept {
  const std::lock_guard lock(mutex_);
  if (tree_ == nullptr || tree_->session().is_broken()) return;
  if (ground_.cancel->is_cancelled()) tree_->session().channel().tidy_up();
  [[maybe_unused]] const Status ignored = work(*tree_);
}

}  // namespace weir::storage::sftp
