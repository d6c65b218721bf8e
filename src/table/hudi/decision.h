#pragma once

/// How a commit of weir's ends, decided once. Between a writer's last look and its completed file
/// another may roll it back: a file system has no step that does both. So whoever would end an
/// instant, its writer by completing or the next one by undoing, first puts this one object if
/// absent, and goes by the one that stands. It holds the whole completed file, so that where the
/// writer dies between the two the next one completes the commit. tests/model shows why that is
/// enough; Hudi knows nothing of it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "storage/storage.h"

namespace weir::table {

/// Longer than any writer sleeps and lives: what it might still do is to be reckoned with until
/// then.
inline constexpr int64_t kLongestSleepDays = 10;
inline constexpr int64_t kDayUs = int64_t{24} * 3600 * 1'000'000;

/// Nothing: undone. Else what the completed file says.
using Decision = std::optional<std::string>;

/// The decision that stands from now on: `wanted`, or another that was there before. It is not to
/// be acted upon before the completed file was looked for: of a commit that has ended the object is
/// gone again.
Result<Decision> decide(storage::Storage& store, std::string_view time, const Decision& wanted);

/// Replaces what was decided. Only by one who holds the guard, and of a commit that is to be taken
/// back, or that another engine has overtaken before it was completed.
Status set_undone(storage::Storage& store, std::string_view time);

/// The instants that were decided and still have the object: those that were undone keep it, so
/// that they are not given again, nor completed by a writer who sleeps.
Result<std::vector<std::string>> decided_instants(storage::Storage& store);

/// Of a commit that is completed, or of one that was undone too long ago for its writer to wake.
Status remove_decision(storage::Storage& store, std::string_view time);

}  // namespace weir::table
