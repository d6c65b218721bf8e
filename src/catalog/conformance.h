#pragma once

/// What every catalog must do, whatever the database. A place gives empty databases and opens
/// catalogs on them; each test of the suite runs on every place. The tests stand in
/// *_conformance_test.cc, one file for each concern.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catalog/store/store.h"

namespace weir::catalog {

/// A clock that tests set. Safe to use from many threads at once.
class FakeClock : public Clock {
 public:
  int64_t now_us() override { return now_us_; }
  int64_t monotonic_us() override { return now_us_; }
  void advance_ms(int64_t duration_ms) { now_us_ += duration_ms * 1000; }

 private:
  std::atomic<int64_t> now_us_ = 1'700'000'000'000'000;
};

/// Where catalogs live during a test: one database.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::string url() const = 0;
  /// Runs SQL as a person would, beside weir. False with a message where it is refused.
  virtual Status run_sql(const std::string& sql) = 0;
  /// The words of a query's only value.
  virtual std::string query(const std::string& sql) = 0;
  /// Columns of a table as the database knows them, in order.
  virtual std::vector<std::string> columns_of(const std::string& table) = 0;
  virtual std::vector<std::string> tables() = 0;
  /// Whether the clock of leases is the one that tests set.
  virtual bool has_fake_time() const = 0;
  virtual bool is_postgres() const = 0;
};

struct PlaceKind {
  std::string name;
  std::function<std::unique_ptr<Place>()> make;  ///< nullptr: not there, skip.
};
std::ostream& operator<<(std::ostream& out, const PlaceKind& kind);

std::vector<PlaceKind> all_places();

class Conformance : public ::testing::TestWithParam<PlaceKind> {
 protected:
  void SetUp() override;
  /// One more catalog on the same database: another process would see the same.
  std::unique_ptr<Catalog> open(StatementHook hook = nullptr);
  /// Ends a child process with the result of `body` as its exit status; it opens its own catalog.
  pid_t in_child(const std::function<int(Catalog&)>& body, StatementHook hook = nullptr);

  FakeClock clock_;
  std::unique_ptr<Place> place_;
  std::unique_ptr<Catalog> catalog_;
};

/// The exit status of a child; negative: the signal that ended it.
int wait_for(pid_t pid);

// ---- values that read as a story -----------------------------------------------------------

model::Configuration airports();
FlowRun monday_run(const std::string& run_key = "monday");
TaskRun waiting_task(const FlowRun& run, const std::string& task_id = "ingest");
/// The ingestion of one file as of Monday, by attempt 1 of a running task.
OperationRecord ingestion(const FlowRun& run, const std::string& token = std::string(64, 'a'));

constexpr int64_t kMonday = 1'652'313'600'000'000;
constexpr int64_t kTuesday = kMonday + 86'400'000'000;

template <typename T>
::testing::AssertionResult succeeds(const Result<T>& result) {
  if (result) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << to_line(result.error());
}
template <typename T>
::testing::AssertionResult fails_with(ErrorCode code, const Result<T>& result) {
  if (result) return ::testing::AssertionFailure() << "it succeeded";
  if (result.error().code == code) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << to_line(result.error());
}
#define ASSERT_OK(...) ASSERT_TRUE(succeeds(__VA_ARGS__))
#define EXPECT_OK(...) EXPECT_TRUE(succeeds(__VA_ARGS__))
#define EXPECT_FAILS(code, ...) ASSERT_TRUE(fails_with(code, __VA_ARGS__))

}  // namespace weir::catalog
