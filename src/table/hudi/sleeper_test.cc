#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/hudi/decision.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/test_table.h"
#include "table/hudi/timeline.h"

// A writer falls asleep at each call that it makes, for longer than its lease: meanwhile another
// takes over, and writes a commit or half of one. Then the sleeper goes on as if nothing had
// happened. The clock stands all the while. tests/model looks at what these tests cannot order.

namespace weir::table {
namespace {

using ::testing::IsEmpty;

/// Who holds the table, as the lock object says it.
class EpochGuard final : public CommitGuard {
 public:
  EpochGuard(const int& recorded, int mine) : recorded_(recorded), mine_(mine) {}
  Status still_mine() override {
    if (recorded_ == mine_) return {};
    return fail(ErrorCode::kConflict, "epoch {} holds the table, ours was {}", recorded_, mine_);
  }

 private:
  const int& recorded_;
  int mine_;
};

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

/// Puts one letter behind the name of person 1, who comes into being with the first: what is
/// written tells which commits it goes on from.
class LetterWriter {
 public:
  LetterWriter(storage::Storage& store, const int& recorded, int epoch, std::string letter)
      : guard_(recorded, epoch),
        test_(store, static_cast<uint8_t>(epoch * 60)),
        epoch_(epoch),
        letter_(std::move(letter)) {
    test_.context.guard = &guard_;
  }

  /// Up to where nothing but complete() is missing; its success with nothing to complete: the
  /// letter is there.
  Status write() {
    WEIR_ASSIGN(table_, create_table(test_.context, people_options()));
    WEIR_ASSIGN(const auto turn, table_->prepare(Action::kCommit));
    WEIR_ASSIGN(const auto done, table_->find_token(letter_));
    if (done) return {};
    WEIR_ASSIGN(const Snapshot snapshot, table_->snapshot());
    WEIR_ASSIGN(const auto reader, table_->read(snapshot, {{"name"}, MetaColumns::kLeftOut}));
    WEIR_ASSIGN(const auto batch, reader->next());
    const std::string before =
        batch ? std::static_pointer_cast<arrow::StringArray>(batch->column(0))->GetString(0) : "";
    BeginOptions options = begin_with(letter_);
    options.write_token = fmt::format("{}-0-0", epoch_);
    WEIR_ASSIGN(commit_, turn->begin(options));
    std::unique_ptr<GroupWriter> writer;
    if (snapshot.slices.empty()) {
      WEIR_ASSIGN(writer, commit_->new_group(Role::kCurrent, ""));
    } else {
      WEIR_ASSIGN(writer, commit_->next_version(snapshot.slices.front(), Role::kCurrent));
    }
    const std::vector<Person> people = {{1, before + letter_}};
    WEIR_TRY(writer->write_changed(*batch_of(people), *keys_of(people)));
    WEIR_TRY(writer->finish(before.empty() ? 0 : 1, 0));
    return {};
  }

  Status complete() {
    if (!commit_) return {};
    const auto done = commit_->complete({});
    commit_.reset();
    if (!done) return std::unexpected(done.error());
    return {};
  }

  Status run() {
    WEIR_TRY(write());
    return complete();
  }

  void give_up() { commit_.reset(); }

 private:
  EpochGuard guard_;
  TestContext test_;
  int epoch_;
  std::string letter_;
  std::unique_ptr<HudiTable> table_;
  std::unique_ptr<Commit> commit_;
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
  static std::string letters_in(storage::Storage& store) {
    TestContext test(store, 200);
    return names_of(**open_table(test.context))[1];
  }

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
    int recorded = 1;
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
