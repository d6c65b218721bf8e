#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "storage/s3.h"
#include "table/hudi/test_letters.h"
#include "table/hudi/timeline.h"
#include "testing/s3_server.h"

// Two and four writers at once on one row of one table, for which they compete as servers do for a
// lease that may end under its holder: now and then one takes over in the midst of another's
// commit, and the other goes on as long as the table lets it. Each of their commits must be there
// once, and none must have been forgotten by a later one.

namespace weir::table {
namespace {

using ::testing::IsEmpty;

/// A lease as the catalog gives it, with the lock object's epoch.
class Lease {
 public:
  /// The epoch of who holds it now; waits for the holder but `by_force`: its time was over.
  int take(bool by_force) {
    std::unique_lock lock(mutex_);
    free_.wait(lock, [&] { return !is_held_ || by_force; });
    is_held_ = true;
    return ++recorded;
  }
  void give_back(int epoch) {
    const std::lock_guard lock(mutex_);
    if (recorded != epoch) return;
    is_held_ = false;
    free_.notify_one();
  }
  std::atomic<int> recorded = 0;

 private:
  std::mutex mutex_;
  std::condition_variable free_;
  bool is_held_ = false;
};

struct Totals {
  std::atomic<int> taken_over = 0;
  std::atomic<int> stopped = 0;
};

/// Tries until its commit stands, as the runner does.
void write_letter(storage::Storage& store, Lease& lease, Totals& totals, std::mt19937& dice,
                  const std::string& letter, const std::string& token) {
  while (true) {
    const bool by_force = dice() % 3 != 0;
    const int epoch = lease.take(by_force);
    totals.taken_over += by_force ? 1 : 0;
    const Status done = LetterWriter(store, lease.recorded, epoch, letter, token).run();
    lease.give_back(epoch);
    if (done) return;
    totals.stopped += 1;
  }
}

/// How many of each letter there are, after `each` commits of each writer.
void compete(storage::Storage& store, int writers, int each) {
  Lease lease;
  Totals totals;
  {
    std::vector<std::jthread> threads;
    for (int writer = 0; writer < writers; ++writer) {
      threads.emplace_back([&, writer] {
        std::mt19937 dice(static_cast<uint32_t>(writer + 1));
        const std::string letter(1, static_cast<char>('a' + writer));
        for (int i = 0; i < each; ++i)
          write_letter(store, lease, totals, dice, letter, fmt::format("{} {}", letter, i));
      });
    }
  }
  const std::string letters = letters_in(store);
  EXPECT_EQ(letters.size(), static_cast<size_t>(writers * each)) << letters;
  for (int writer = 0; writer < writers; ++writer)
    EXPECT_EQ(std::ranges::count(letters, static_cast<char>('a' + writer)), each) << letters;
  std::cout << totals.taken_over << " took over, " << totals.stopped << " attempts were stopped\n";
  EXPECT_GT(totals.taken_over, 0);
  TestContext last(store, 250);
  const auto table = open_table(last.context).value();
  ASSERT_TRUE(end_leftovers(*table));
  EXPECT_THAT(Timeline::load(store)->pending_commits(), IsEmpty());
  EXPECT_THAT(*storage::list_all(store, kMarkerFolder), IsEmpty());
  EXPECT_EQ(letters_in(store), letters);
}

TEST(ConcurrentWriters, LoseNothingInMemory) {
  for (const int writers : {2, 4}) compete(*storage::make_memory_storage(), writers, 100);
}

TEST(ConcurrentWriters, LoseNothingInAFolder) {
  for (const int writers : {2, 4}) {
    const auto folder = std::filesystem::temp_directory_path() /
                        ("weir writers " + make_uuid4(*make_system_random()));
    std::filesystem::create_directories(folder);
    compete(*storage::make_local_storage(folder, folder), writers, 8);
    std::filesystem::remove_all(folder);
  }
}

TEST(ConcurrentWriters, LoseNothingOnS3) {
  const auto server = testing::start_s3_server(testing::S3Kind::kVersitygw);
  if (!server) GTEST_SKIP() << to_line(server.error());
  const auto keys = testing::keys_of(**server);
  const auto clock = make_system_clock();
  const auto random = make_system_random();
  const auto http = net::make_http({}, net::Reach::anywhere()).value();
  Cancel never;
  storage::S3Options options;
  options.endpoint = (*server)->endpoint();
  const storage::S3Ground ground = {.http = http.get(),
                                    .credentials = keys.get(),
                                    .clock = clock.get(),
                                    .random = random.get(),
                                    .wait = net::make_wait(),
                                    .cancel = &never};
  for (const int writers : {2, 4}) {
    const auto bucket = (*server)->create_bucket();
    ASSERT_TRUE(bucket) << to_line(bucket.error());
    const auto store = storage::make_s3_storage("s3://" + *bucket + "/t", options, ground).value();
    compete(*store, writers, 5);
  }
}

}  // namespace
}  // namespace weir::table
