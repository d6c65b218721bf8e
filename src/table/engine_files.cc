#include "table/engine_files.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace weir::table {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPieceBytes = int64_t{4} << 20;

}  // namespace

EngineFiles::~EngineFiles() {
  std::error_code ignored;  // a left-over temporary folder harms nobody
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

Status EngineFiles::make_folder() {
  if (!folder_.empty()) return {};
  std::error_code error;
  fs::path base = temp_folder_.empty() ? fs::temp_directory_path(error) : fs::path(temp_folder_);
  if (!error && !temp_folder_.empty()) fs::create_directories(base, error);
  std::string pattern = (base / "weir-copies-XXXXXX").string();
  if (error || ::mkdtemp(pattern.data()) == nullptr)
    return fail(ErrorCode::kUnavailable, "cannot make a folder in '{}': {}", base.string(),
                error ? error.message() : std::strerror(errno));
  folder_ = pattern;
  return {};
}

Result<std::string> EngineFiles::path_of(const std::string& name) {
  if (store_.capabilities().readable_by_engine) {
    auto uri = store_.engine_uri(name);
    // A name that the engine would take for a pattern is read through a copy too.
    if (uri || uri.error().code != ErrorCode::kUnsupported) return uri;
  }
  WEIR_TRY(make_folder());
  std::string path = fmt::format("{}/{}.parquet", folder_, copies_++);
  std::ofstream copy(path, std::ios::binary);
  for (int64_t offset = 0;; offset += kPieceBytes) {
    WEIR_ASSIGN(const std::string piece, store_.read(name, {offset, kPieceBytes}));
    copy.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (static_cast<int64_t>(piece.size()) < kPieceBytes) break;
  }
  copy.close();
  if (!copy) return fail(ErrorCode::kResourceExhausted, "cannot copy '{}' to '{}'", name, path);
  return path;
}

}  // namespace weir::table
