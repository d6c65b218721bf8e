#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/test_letters.h"
#include "table/hudi/timeline.h"

// A writer falls asleep at each call that it makes, for longer than its lease: meanwhile another
// takes over, and writes a commit or half of one. Then the sleeper goes on as if nothing had
// happened. The clock stands all the while. tests/model looks at what these tests cannot order.

namespace weir::table {
namespace {

using ::testing::IsEmpty;

/// Runs something before one of the calls to the store below.
class DrowsyStorage final : public storage::Storage {
 public:
  DrowsyStorage(storage::Storage& inner, int64_t at_call, bool dies,
                std::function<void()> meanwhile)
      : inner_(inner), at_call_(at_call), dies_(dies), meanwhile_(std::move(meanwhile)) {}

  int64_t calls() const { return calls_; }
  storage::Capabilities capabilities() const override { return inner_.capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    WEIR_TRY(count());
    return inner_.read(name, range);
  }
  Result<storage::Entry> stat(std::string_view name) override {
    WEIR_TRY(count());
    return inner_.stat(name);
  }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    WEIR_ASSIGN(auto writer, inner_.create(name));
    return std::make_unique<DrowsyWriter>(*this, std::move(writer));
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    WEIR_TRY(count());
    return inner_.list(prefix, after);
  }
  Status remove(std::string_view name) override {
    WEIR_TRY(count());
    return inner_.remove(name);
  }
  Result<std::string> engine_uri(std::string_view name) const override {
    return inner_.engine_uri(name);
  }
  const std::string& uri() const override { return inner_.uri(); }

 private:
  class DrowsyWriter final : public storage::Writer {
   public:
    DrowsyWriter(DrowsyStorage& store, std::unique_ptr<storage::Writer> inner)
        : store_(store), inner_(std::move(inner)) {}
    Status append(std::string_view bytes) override { return inner_->append(bytes); }
    Result<storage::Written> commit(storage::Put mode) override {
      WEIR_TRY(store_.count());
      return inner_->commit(mode);
    }
    Result<storage::Written> commit_if_version(const std::string& version) override {
      WEIR_TRY(store_.count());
      return inner_->commit_if_version(version);
    }
    void abort() noexcept override { inner_->abort(); }

   private:
    DrowsyStorage& store_;
    std::unique_ptr<storage::Writer> inner_;
  };

  Status count() {
    ++calls_;
    if (calls_ == at_call_) meanwhile_();
    if (dies_ && at_call_ > 0 && calls_ > at_call_)
      return fail(ErrorCode::kUnavailable, "the process is dead");
    return {};
  }

  storage::Storage& inner_;
  int64_t at_call_;
  bool dies_;
  std::function<void()> meanwhile_;
  int64_t calls_ = 0;
};

struct World {
  bool has_commit = false;          ///< Before both came.
  bool is_same_operation = false;   ///< The successor tries the sleeper's operation again.
  bool completes_meanwhile = true;  ///< Else when the sleeper has ended.
  bool gives_up = false;            ///< The successor; another comes after the sleeper.
  bool dies = false;                ///< The sleeper, after the call before which it slept.
};

class Sleeper : public ::testing::TestWithParam<World> {
 protected:
  static void check_nothing_lies_about(storage::Storage& store) {
    EXPECT_THAT(*storage::list_all(store, kMarkerFolder), IsEmpty());
    const Timeline timeline = Timeline::load(store).value();
    EXPECT_THAT(timeline.pending_commits(), IsEmpty());
    const auto files = list_data_files(store).value();
    for (const auto& file : files) EXPECT_TRUE(timeline.is_completed(file.instant)) << file.name;
    const auto decided = decided_instants(store).value();
    for (const auto& time : decided) EXPECT_FALSE(timeline.is_completed(time)) << time;
  }

  /// The calls that the sleeper made.
  int64_t run(int64_t at_call) {
    const World world = GetParam();
    const auto store = storage::make_memory_storage();
    std::atomic<int> recorded = 1;
    if (world.has_commit) {
      EXPECT_TRUE(LetterWriter(*store, recorded, 1, "a").run());
    }
    const std::string first = world.has_commit ? "a" : "";
    std::unique_ptr<LetterWriter> successor;
    Status successor_status;
    DrowsyStorage drowsy(*store, at_call, world.dies, [&] {
      recorded = 2;
      successor =
          std::make_unique<LetterWriter>(*store, recorded, 2, world.is_same_operation ? "s" : "t");
      successor_status = successor->write();
      if (world.gives_up) successor->give_up();
      if (successor_status && world.completes_meanwhile) successor_status = successor->complete();
    });
    const Status slept = LetterWriter(drowsy, recorded, 1, "s").run();
    if (!successor) {
      EXPECT_TRUE(slept) << to_line(slept.error());
      EXPECT_EQ(letters_in(*store), first + "s");
      return drowsy.calls();
    }
    if (successor_status && !world.gives_up) successor_status = successor->complete();
    EXPECT_TRUE(successor_status) << to_line(successor_status.error());
    const bool is_there = letters_in(*store).contains('s');
    if (world.dies) {
      EXPECT_TRUE(!slept || is_there);
    } else if (!world.is_same_operation) {
      EXPECT_TRUE(slept || slept.error().code == ErrorCode::kConflict) << to_line(slept.error());
      EXPECT_EQ(is_there, slept.has_value());
    }
    std::string expected =
        first + (is_there || (world.is_same_operation && !world.gives_up) ? "s" : "");
    if (!world.is_same_operation && !world.gives_up) expected += "t";
    if (!world.gives_up) {
      EXPECT_EQ(letters_in(*store), expected);
    }
    recorded = 3;
    const Status third = LetterWriter(*store, recorded, 3, "u").run();
    EXPECT_TRUE(third) << to_line(third.error());
    EXPECT_EQ(letters_in(*store), expected + "u");
    check_nothing_lies_about(*store);
    return drowsy.calls();
  }
};

TEST_P(Sleeper, UndoesNothingAndShowsNothingOfItself) {
  const int64_t calls = run(0);
  EXPECT_GT(calls, 20);
  for (int64_t call = 1; call <= calls; ++call) {
    SCOPED_TRACE(fmt::format("asleep before call {} of {}", call, calls));
    run(call);
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Hudi, Sleeper,
    ::testing::Values(World{true}, World{false}, World{true, true}, World{false, true},
                      World{true, false, false}, World{false, false, false},
                      World{true, true, false}, World{false, true, false},
                      World{true, false, false, true}, World{false, false, false, true},
                      World{true, true, false, true}, World{true, false, true, false, true},
                      World{false, false, true, false, true}, World{true, true, true, false, true},
                      World{false, true, true, false, true}));

}  // namespace
}  // namespace weir::table
