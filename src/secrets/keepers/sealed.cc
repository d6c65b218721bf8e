#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secrets/sealed_file.h"
#include "storage/storage.h"

namespace weir::secrets {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

std::string folder_of(const std::string& file) {
  const auto folder = fs::absolute(file).lexically_normal().parent_path();
  return folder.string();
}

class SealedKeeper final : public Keeper {
 public:
  explicit SealedKeeper(SealedPlaces places) : places_(std::move(places)) {}

  std::string name() const override { return places_.file; }

  Result<std::string> fetch(const std::string& id, const Cancel& /*cancel*/) override {
    WEIR_ASSIGN(const SealedFile sealed, read_sealed(places_.file));
    const auto ids = sealed.ids();
    // Without the key where there is nothing to open: most projects have no sealed file.
    if (std::ranges::find(ids, id) == ids.end())
      return fail(ErrorCode::kNotFound, "{} does not hold it", places_.file);
    WEIR_ASSIGN(const SealKey key, read_key(places_.key_file));
    return while_doing(sealed.open(id, key), fmt::format("opening {}", places_.file));
  }

  Result<std::optional<std::vector<std::string>>> list(const Cancel& /*cancel*/) override {
    WEIR_ASSIGN(const SealedFile sealed, read_sealed(places_.file));
    return sealed.ids();
  }

 private:
  const SealedPlaces places_;
};

}  // namespace

std::unique_ptr<Keeper> make_sealed_keeper(SealedPlaces places) {
  return std::make_unique<SealedKeeper>(std::move(places));
}

Result<SealKey> read_key(const std::string& key_file) {
  struct stat found{};
  if (stat(key_file.c_str(), &found) != 0)
    return fail_with_hint(
        ErrorCode::kDenied,
        fmt::format("the key file {} cannot be read: {}", key_file, std::strerror(errno)),
        "bring it from where the secrets were sealed, or name another: WEIR_SECRETS_KEY_FILE");
  if ((found.st_mode & kOthers) != 0)
    return fail_with_hint(ErrorCode::kDenied,
                          fmt::format("others than its owner may read the key file {}", key_file),
                          fmt::format("chmod 600 {}", key_file));
  std::ifstream file(key_file, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return fail(ErrorCode::kDenied, "the key file {} cannot be read", key_file);
  return while_doing(SealKey::parse(text.str()), fmt::format("reading {}", key_file));
}

Result<SealKey> write_new_key(const std::string& key_file) {
  WEIR_ASSIGN(SealKey key, SealKey::generate());
  std::error_code ignored;
  const fs::path folder = folder_of(key_file);
  if (!fs::exists(folder, ignored)) {
    fs::create_directories(folder, ignored);
    fs::permissions(folder, fs::perms::owner_all, ignored);
  }
  const int file =
      open(key_file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0 && errno == EEXIST)
    return fail_with_hint(ErrorCode::kAlreadyExists,
                          fmt::format("there is a key in {} already", key_file),
                          "what is sealed with it opens with no other: name another file "
                          "(WEIR_SECRETS_KEY_FILE)");
  if (file < 0)
    return fail(ErrorCode::kDenied, "the key file {} cannot be made: {}", key_file,
                std::strerror(errno));
  const std::string text = key.text() + "\n";
  const bool is_whole =
      write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      fsync(file) == 0;
  if (close(file) != 0 || !is_whole) {
    unlink(key_file.c_str());
    return fail(ErrorCode::kUnavailable, "the key file {} cannot be written", key_file);
  }
  return key;
}

Result<SealedFile> read_sealed(const std::string& file) {
  std::error_code problem;
  if (!fs::exists(file, problem) && !problem) return SealedFile();
  const auto stores = storage::make_local_stores(folder_of(file));
  WEIR_ASSIGN(storage::Storage* const store, stores->open(folder_of(file)));
  WEIR_ASSIGN(const std::string text, store->read(fs::path(file).filename().string(), {}));
  return while_doing(SealedFile::parse(text), fmt::format("reading {}", file));
}

Status write_sealed(const std::string& file, const SealedFile& sealed) {
  const auto stores = storage::make_local_stores(folder_of(file));
  WEIR_ASSIGN(storage::Storage* const store, stores->open(folder_of(file)));
  WEIR_TRY(storage::put(*store, fs::path(file).filename().string(), sealed.text(),
                        storage::Put::kReplace));
  return {};
}

}  // namespace weir::secrets
