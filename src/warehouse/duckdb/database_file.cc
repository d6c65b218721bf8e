#include "warehouse/duckdb/database_file.h"

#include <filesystem>

#include "base/lasting_folder.h"

namespace weir::warehouse::duckdb {
namespace {

/// A file that is not there yet appears whole: DuckDB writes one in several steps, and what a
/// process that dies between them leaves is no database for anybody. Its name lasts before anything
/// is loaded: DuckDB syncs bytes alone, and whole loads would be gone with a file without a name.
Status make_if_absent(const std::string& path, sql::SessionOptions options, const Cancel& cancel) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return {};
  const std::string unfinished = path + ".new";
  for (const auto& file : {unfinished, unfinished + ".wal"}) std::filesystem::remove(file, error);
  options.database = unfinished;
  {
    WEIR_ASSIGN(const auto session, sql::open_session(options, cancel));
    WEIR_TRY(session->run("CHECKPOINT"));
  }
  std::filesystem::rename(unfinished, path, error);
  if (error)
    return fail(ErrorCode::kUnavailable, "the warehouse file '{}' cannot be made: {}", path,
                error.message());
  return keep_name(path);
}

/// What to do about a file that does not open.
Error explain(Error error, const std::string& path) {
  if (error.code == ErrorCode::kCorrupt && error.hint.empty())
    error.hint = "the connection's path must name a DuckDB file, or one that is not there yet";
  if (error.code == ErrorCode::kDenied && error.hint.empty())
    error.hint = "give this user write access to the file and its folder";
  return std::move(error).while_doing(fmt::format("opening the warehouse file '{}'", path));
}

}  // namespace

Result<std::unique_ptr<sql::Session>> open_file(const sql::SessionOptions& options,
                                                const Cancel& cancel) {
  const Status made = make_if_absent(options.database, options, cancel);
  if (!made) return std::unexpected(explain(made.error(), options.database));
  auto session = sql::open_session(options, cancel);
  // A conflict is told by whoever waits for its end.
  if (!session && session.error().code != ErrorCode::kConflict)
    return std::unexpected(explain(std::move(session).error(), options.database));
  return session;
}

std::string holder_in(std::string_view message) {
  constexpr std::string_view kBefore = "Conflicting lock is held in ";
  const auto start = message.find(kBefore);
  if (start == std::string_view::npos) return {};
  const auto rest = message.substr(start + kBefore.size());
  const auto end = rest.find(')');
  return std::string(rest.substr(0, end == std::string_view::npos ? end : end + 1));
}

}  // namespace weir::warehouse::duckdb
