#include "table/hudi/decision.h"

namespace weir::table {
namespace {

// Hudi's own place for what is not part of the timeline.
constexpr std::string_view kFolder = ".hoodie/.aux/weir/";
constexpr std::string_view kUndone = "undone";
constexpr int kTries = 3;

std::string decision_file(std::string_view time) { return fmt::format("{}{}", kFolder, time); }

}  // namespace

Result<Decision> decide(storage::Storage& store, std::string_view time, const Decision& wanted) {
  const std::string file = decision_file(time);
  const std::string_view text = wanted ? std::string_view(*wanted) : kUndone;
  for (int tries = 1;; ++tries) {
    const auto put = storage::put(store, file, text, storage::Put::kIfAbsent);
    if (put) return wanted;
    const ErrorCode code = put.error().code;
    if (code != ErrorCode::kAlreadyExists && code != ErrorCode::kOutcomeUnknown)
      return std::unexpected(put.error());
    auto there = store.read(file, storage::Range::all());
    if (there) return *there == kUndone ? Decision() : Decision(*std::move(there));
    // Not there although it may have been on its way, or of a commit that has ended meanwhile.
    if (there.error().code != ErrorCode::kNotFound || tries == kTries) {
      Error unknown = there.error();
      unknown.code = ErrorCode::kOutcomeUnknown;
      return std::unexpected(std::move(unknown).while_doing(fmt::format("deciding on {}", file)));
    }
  }
}

Status set_undone(storage::Storage& store, std::string_view time) {
  const auto put = storage::put(store, decision_file(time), kUndone, storage::Put::kReplace);
  if (!put) return std::unexpected(put.error());
  return {};
}

Result<std::vector<std::string>> decided_instants(storage::Storage& store) {
  WEIR_ASSIGN(const auto entries, storage::list_all(store, kFolder));
  std::vector<std::string> times;
  for (const auto& entry : entries) times.push_back(entry.name.substr(kFolder.size()));
  return times;
}

Status remove_decision(storage::Storage& store, std::string_view time) {
  return store.remove(decision_file(time));
}

}  // namespace weir::table
