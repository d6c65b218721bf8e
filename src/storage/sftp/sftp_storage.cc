#include <algorithm>

#include "base/check.h"
#include "storage/leftovers.h"
#include "storage/moving.h"
#include "storage/object_name.h"
#include "storage/sftp/connection.h"
#include "storage/sftp/listing.h"
#include "storage/sftp/ssh_channel.h"
#include "storage/sftp/writer.h"

namespace weir::storage {
namespace {

using sftp::Address;
using sftp::Channel;
using sftp::Tree;

constexpr size_t kPageEntries = 10'000;
constexpr int64_t kReadPieceBytes = int64_t{4} << 20;

class SftpStorage final : public Storage, public Mover, public Leftovers {
 public:
  SftpStorage(std::string uri, Address address, SftpOptions options, SftpGround ground)
      : uri_(std::move(uri)),
        address_(std::move(address)),
        options_(std::move(options)),
        ground_(std::move(ground)),
        connection_([this] { return dial(); }, address_.root, options_, ground_) {}

  Capabilities capabilities() const override {
    // Without an answer nothing is promised.
    Capabilities promised{.atomic_put = false,
                          .put_if_absent = false,
                          .put_if_version = false,
                          .consistent_list = true,
                          .readable_by_engine = false};
    const auto ask = [&](Tree& tree) -> Status {
      promised.atomic_put = tree.session().extensions().posix_rename;
      promised.put_if_absent = tree.session().extensions().hardlink;
      return {};
    };
    [[maybe_unused]] const Status asked = connection_.with_tree(ask);
    return promised;
  }

  Result<std::string> read(std::string_view name, Range range) override {
    WEIR_TRY(check_object_name(name));
    WEIR_CHECK(range.offset_bytes >= 0 && range.size_bytes >= 0);
    Reading reading{range};
    while (!reading.is_over) {
      const auto work = [&](Tree& tree) { return read_on(tree, name, reading); };
      WEIR_TRY(while_doing(connection_.with_tree(work), fmt::format("reading '{}'", name)));
    }
    return std::move(reading.bytes);
  }

  Result<Entry> stat(std::string_view name) override {
    WEIR_TRY(check_object_name(name));
    Entry entry;
    const auto work = [&](Tree& tree) -> Status {
      WEIR_ASSIGN(const Tree::Found found, tree.find(name));
      entry = sftp::entry_of(name, found.attributes);
      return {};
    };
    WEIR_TRY(connection_.with_tree(work));
    return entry;
  }

  Result<std::unique_ptr<Writer>> create(std::string_view name) override {
    WEIR_TRY(check_object_name(name));
    std::string random;
    for (const uint8_t byte : ground_.random->bytes16()) random += fmt::format("{:02x}", byte);
    return std::make_unique<sftp::SftpWriter>(connection_, std::string(name),
                                              std::string(kTemporaryPrefix) + random);
  }

  Result<Page> list(std::string_view prefix, std::string_view after) override {
    WEIR_TRY(check_prefix(prefix));
    Page page;
    const auto work = [&](Tree& tree) -> Status {
      WEIR_ASSIGN(page, sftp::list_page(tree, prefix, after, kPageEntries));
      return {};
    };
    WEIR_TRY(while_doing(connection_.with_tree(work), fmt::format("listing '{}'", uri_)));
    return page;
  }

  Status remove(std::string_view name) override {
    WEIR_TRY(check_object_name(name));
    bool was_asked = false;
    const auto work = [&](Tree& tree) -> Status {
      auto path = path_to_remove(tree, name);
      if (!path && path.error().code == ErrorCode::kNotFound) return {};
      if (!path) return std::unexpected(std::move(path).error());
      was_asked = true;
      Status removed = tree.session().remove(*path);
      if (removed || removed.error().code == ErrorCode::kNotFound) return {};
      if (removed.error().code == ErrorCode::kInternal) {
        const auto left = tree.session().lstat(*path);
        if (!left && left.error().code == ErrorCode::kNotFound) return {};
      }
      return sftp::failure_of(std::move(removed).error(), "remove", *path, ErrorCode::kUnavailable);
    };
    Status done = connection_.with_tree(work);
    if (!done && was_asked && done.error().code == ErrorCode::kUnavailable)
      done.error().code = ErrorCode::kOutcomeUnknown;
    return done;
  }

  /// A second name, then the first one is taken away: no byte goes over the line.
  Result<bool> move(std::string_view from, std::string_view to) override {
    WEIR_TRY(check_object_name(from));
    WEIR_TRY(check_object_name(to));
    bool is_done = false;
    bool was_asked = false;
    const auto work = [&](Tree& tree) -> Status {
      is_done = false;
      if (!tree.session().extensions().hardlink) return {};
      auto found = tree.find(from);
      // Ours alone took it away.
      is_done = !found && was_asked && found.error().code == ErrorCode::kNotFound;
      if (is_done) return {};
      if (!found) return std::unexpected(std::move(found).error());
      // A link is moved as what it leads to, with a name of its own.
      WEIR_ASSIGN(const std::string itself, path_to_remove(tree, from));
      if (itself != found->path) return {};
      const auto slash = to.rfind('/');
      WEIR_ASSIGN(const std::string folder,
                  tree.make_folder(std::string(to.substr(0, slash == to.npos ? 0 : slash))));
      const std::string target = fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/",
                                             to.substr(slash == to.npos ? 0 : slash + 1));
      const Status linked = tree.session().hardlink(found->path, target);
      if (!linked) return tree.session().is_broken() ? linked : Status();
      is_done = was_asked = true;
      return tree.session().remove(found->path);
    };
    WEIR_TRY(connection_.with_tree(work));
    // Else the name is taken, perhaps by what an earlier call left, or it makes no second names.
    return is_done;
  }

  std::string left_by(const Writer& writer) const override {
    return static_cast<const sftp::SftpWriter&>(writer).left();
  }

  Status remove_left(const std::string& name) override {
    const auto slash = name.rfind('/');
    const std::string folder = name.substr(0, slash == name.npos ? 0 : slash);
    const std::string leaf = name.substr(slash == name.npos ? 0 : slash + 1);
    if (!folder.empty()) WEIR_TRY(check_object_name(folder));
    if (!leaf.starts_with(kTemporaryPrefix) || leaf.find('\0') != leaf.npos)
      return fail(ErrorCode::kInvalidConfig, "'{}' is no temporary object", name);
    const auto work = [&](Tree& tree) -> Status {
      const auto parent = tree.find_folder(folder);
      if (!parent && parent.error().code == ErrorCode::kNotFound) return {};
      if (!parent) return std::unexpected(parent.error());
      const std::string path =
          fmt::format("{}{}{}", *parent, parent->ends_with('/') ? "" : "/", leaf);
      Status removed = tree.session().remove(path);
      if (removed || removed.error().code == ErrorCode::kNotFound) return {};
      return sftp::failure_of(std::move(removed).error(), "remove", path, ErrorCode::kUnavailable);
    };
    return connection_.with_tree(work);
  }

  Result<std::string> engine_uri(std::string_view /*name*/) const override {
    return fail_with_hint(ErrorCode::kUnsupported,
                          fmt::format("the engine cannot read from '{}'", uri_),
                          "bring the files into a landing layer first: template fetch_files");
  }

  const std::string& uri() const override { return uri_; }

 private:
  /// A link itself, not what it leads to. kNotFound for a folder as well.
  Result<std::string> path_to_remove(Tree& tree, std::string_view name) {
    const auto slash = name.rfind('/');
    const std::string folder(slash == std::string_view::npos ? "" : name.substr(0, slash));
    WEIR_ASSIGN(const std::string parent, tree.find_folder(folder));
    const auto leaf = slash == std::string_view::npos ? name : name.substr(slash + 1);
    std::string path = fmt::format("{}{}{}", parent, parent.ends_with('/') ? "" : "/", leaf);
    const auto there = tree.session().lstat(path);
    if (!there && there.error().code == ErrorCode::kInternal) {
      // With a file in the place of its folder it is not there; else nobody knows.
      if (const auto found = tree.find(name); !found) return std::unexpected(found.error());
    }
    if (!there) return std::unexpected(there.error());
    if (there->is_folder()) return fail(ErrorCode::kNotFound, "'{}' is a folder", path);
    return path;
  }

  struct Reading {
    Range range;
    std::optional<Entry> first = {};  ///< The file as the first piece found it.
    std::string bytes = {};
    bool is_over = false;
  };

  /// One piece more, or what was left of it when the connection broke.
  static Status read_on(Tree& tree, std::string_view name, Reading& reading) {
    auto& [range, first, bytes, is_over] = reading;
    WEIR_ASSIGN(const Tree::Found found, tree.find(name));
    auto handle = tree.session().open(found.path, sftp::Open::kRead);
    if (!handle)
      return sftp::failure_of(std::move(handle).error(), "open", found.path,
                              ErrorCode::kUnavailable);
    WEIR_ASSIGN(const auto attributes, tree.session().stat_of(*handle));
    const Entry entry = sftp::entry_of(name, attributes);
    if (first && entry != *first) {
      WEIR_TRY(tree.session().close(*handle));
      return fail_with_hint(ErrorCode::kConflict,
                            fmt::format("'{}' changed while it was read: {} bytes before, {} now",
                                        name, first->size_bytes, entry.size_bytes),
                            "it may still be written: give `settle`, or wait for a marker");
    }
    if (!first) first = entry;
    const int64_t end_bytes =
        range.size_bytes > entry.size_bytes - std::min(range.offset_bytes, entry.size_bytes)
            ? entry.size_bytes
            : range.offset_bytes + range.size_bytes;
    const int64_t at_bytes = range.offset_bytes + static_cast<int64_t>(bytes.size());
    const int64_t size_bytes = std::clamp<int64_t>(end_bytes - at_bytes, 0, kReadPieceBytes);
    const size_t before = bytes.size();
    Status read = tree.session().read(*handle, static_cast<uint64_t>(at_bytes),
                                      static_cast<size_t>(size_bytes), bytes);
    if (!read && tree.session().is_broken()) return read;
    WEIR_TRY(tree.session().close(*handle));
    if (!read)
      return sftp::failure_of(std::move(read).error(), "read", found.path, ErrorCode::kUnavailable);
    const auto got_bytes = static_cast<int64_t>(bytes.size() - before);
    is_over = got_bytes < size_bytes || at_bytes + got_bytes >= end_bytes;
    return {};
  }

  Result<std::unique_ptr<Channel>> dial() {
    WEIR_ASSIGN(const SftpLogin login, ground_.logins->get(*ground_.cancel));
    auto channel = sftp::dial(address_, options_, login, ground_);
    if (channel || !sftp::is_login_refused(channel.error())) return channel;
    // It may have been rotated since we asked for it.
    ground_.logins->forget();
    WEIR_ASSIGN(const SftpLogin other, ground_.logins->get(*ground_.cancel));
    if (other.password == login.password && other.private_key == login.private_key &&
        other.passphrase == login.passphrase)
      return channel;
    return sftp::dial(address_, options_, other, ground_);
  }

  const std::string uri_;
  const Address address_;
  const SftpOptions options_;
  const SftpGround ground_;
  mutable sftp::Connection connection_;
};

}  // namespace

Result<std::unique_ptr<Storage>> make_sftp_storage(const std::string& uri, SftpOptions options,
                                                   SftpGround ground) {
  WEIR_ASSIGN(Address address, Address::parse(uri));
  return std::make_unique<SftpStorage>(uri, std::move(address), std::move(options),
                                       std::move(ground));
}

}  // namespace weir::storage
