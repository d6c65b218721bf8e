// A zone's clock runs evenly but at a few instants. The distance between it and UTC is asked of
// DuckDB at the beginning of each day, many days at once, and kept; only on a day whose ends differ
// the very instant is searched for, once.

#include "database/local_clock.h"

#include <array>
#include <charconv>
#include <map>
#include <unordered_map>

#include "model/schema.h"
#include "sql/session.h"

namespace weir::database {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;
constexpr int64_t kDaysOfBlock = 1024;
constexpr int64_t kMemoryBytes = int64_t{64} << 20;

int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

class Clock final : public LocalClock {
 public:
  Clock(std::unique_ptr<sql::Session> session, std::string zone)
      : session_(std::move(session)), zone_(std::move(zone)) {}

  Result<std::optional<int64_t>> utc_of(int64_t local_us) override {
    // No clock is more than 26 hours away from UTC.
    const int64_t day = floor_div(local_us, kDayUs);
    std::array<int64_t, 4> ends{};
    for (int i = 0; i < 4; ++i) {
      WEIR_ASSIGN(ends[static_cast<size_t>(i)], distance_at_day(day - 1 + i));
    }
    if (ends[0] == ends[1] && ends[1] == ends[2] && ends[2] == ends[3]) return local_us - ends[0];
    std::optional<int64_t> latest;
    for (const int64_t distance : ends) {
      const int64_t utc = local_us - distance;
      WEIR_ASSIGN(const int64_t there, distance_at(utc));
      if (there == distance && (!latest || utc > *latest)) latest = utc;
    }
    return latest;
  }

 private:
  Result<int64_t> distance_at(int64_t utc_us) {
    const int64_t day = floor_div(utc_us, kDayUs);
    WEIR_ASSIGN(const int64_t before, distance_at_day(day));
    WEIR_ASSIGN(const int64_t after, distance_at_day(day + 1));
    if (before == after) return before;
    WEIR_ASSIGN(const int64_t change, change_on(day, before));
    return utc_us < change ? before : after;
  }

  /// How far the clock is ahead of UTC when a day of UTC begins.
  Result<int64_t> distance_at_day(int64_t day) {
    const int64_t block = floor_div(day, kDaysOfBlock);
    auto found = blocks_.find(block);
    if (found == blocks_.end()) {
      WEIR_ASSIGN(auto distances,
                  ask(fmt::format("SELECT {} FROM range({}, {}) AS days(day)",
                                  distance_of(fmt::format("day * {}", kDayUs)),
                                  block * kDaysOfBlock, (block + 1) * kDaysOfBlock)));
      found = blocks_.emplace(block, std::move(distances)).first;
    }
    return found->second.at(static_cast<size_t>(day - block * kDaysOfBlock));
  }

  /// The first microsecond of a day of UTC at which the distance is no longer that of its begin.
  Result<int64_t> change_on(int64_t day, int64_t before) {
    const auto known = changes_.find(day);
    if (known != changes_.end()) return known->second;
    int64_t low = day * kDayUs;
    int64_t high = low + kDayUs;
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      WEIR_ASSIGN(const auto there,
                  ask(fmt::format("SELECT {}", distance_of(fmt::format("{}", middle)))));
      (there.at(0) == before ? low : high) = middle;
    }
    changes_.emplace(day, high);
    return high;
  }

  std::string distance_of(const std::string& utc_us) const {
    return fmt::format("epoch_us(make_timestamptz(({0})::BIGINT) AT TIME ZONE {1}) - ({0})::BIGINT",
                       utc_us, model::quote_text(zone_));
  }

  Result<std::vector<int64_t>> ask(const std::string& statement) {
    WEIR_ASSIGN(const auto answer, session_->query(statement));
    std::vector<int64_t> numbers;
    for (const auto& row : answer.rows) {
      const std::string text = row.at(0).value_or("");
      int64_t number = 0;
      const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
      if (read.ec != std::errc())
        return fail(ErrorCode::kInternal, "'{}' is no distance from UTC in {}", text, zone_);
      numbers.push_back(number);
    }
    return numbers;
  }

  const std::unique_ptr<sql::Session> session_;
  const std::string zone_;
  std::unordered_map<int64_t, std::vector<int64_t>> blocks_;
  std::map<int64_t, int64_t> changes_;
};

}  // namespace

Result<std::unique_ptr<LocalClock>> open_local_clock(const std::string& zone,
                                                     const Cancel& cancel) {
  sql::SessionOptions options;
  options.memory_bytes = kMemoryBytes;
  options.threads = 1;
  WEIR_ASSIGN(auto session, sql::open_session(options, cancel));
  const auto known = session->query(
      fmt::format("SELECT TIMESTAMP '2022-05-12' AT TIME ZONE {}", model::quote_text(zone)));
  if (!known)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("timezone '{}' is no time zone", zone),
                          "a name of the IANA list, like UTC or Europe/Berlin");
  return std::make_unique<Clock>(std::move(session), zone);
}

}  // namespace weir::database
