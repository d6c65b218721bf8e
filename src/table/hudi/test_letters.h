#pragma once

/// For tests of several writers: each puts its letter behind the one name in a table, so that the
/// name tells which commits each of them went on from.

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "table/hudi/test_table.h"

namespace weir::table {

/// Who holds the table, as the lock object says it.
class EpochGuard final : public CommitGuard {
 public:
  EpochGuard(const std::atomic<int>& recorded, int mine) : recorded_(recorded), mine_(mine) {}
  Status still_mine() override {
    const int now = recorded_;
    if (now == mine_) return {};
    return fail(ErrorCode::kConflict, "epoch {} holds the table, ours was {}", now, mine_);
  }

 private:
  const std::atomic<int>& recorded_;
  int mine_;
};

/// Puts one letter behind the name of person 1, who comes into being with the first: what is
/// written tells which commits it goes on from.
class LetterWriter {
 public:
  LetterWriter(storage::Storage& store, const std::atomic<int>& recorded, int epoch,
               std::string letter, std::string token = {})
      : guard_(recorded, epoch),
        test_(store, static_cast<uint8_t>(epoch * 7)),
        epoch_(epoch),
        letter_(std::move(letter)),
        token_(token.empty() ? letter_ : std::move(token)) {
    test_.context.guard = &guard_;
  }

  /// Up to where nothing but complete() is missing; its success with nothing to complete: the
  /// letter is there.
  Status write() {
    WEIR_ASSIGN(table_, create_table(test_.context, people_options()));
    WEIR_ASSIGN(const auto turn, table_->prepare(Action::kCommit));
    WEIR_ASSIGN(const auto done, table_->find_token(token_));
    if (done) return {};
    WEIR_ASSIGN(const Snapshot snapshot, table_->snapshot());
    WEIR_ASSIGN(const auto reader, table_->read(snapshot, {{"name"}, MetaColumns::kLeftOut}));
    WEIR_ASSIGN(const auto batch, reader->next());
    const std::string before =
        batch ? std::static_pointer_cast<arrow::StringArray>(batch->column(0))->GetString(0) : "";
    BeginOptions options = begin_with(token_);
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
  std::string token_;
  std::unique_ptr<HudiTable> table_;
  std::unique_ptr<Commit> commit_;
};

inline std::string letters_in(storage::Storage& store) {
  TestContext test(store, 200);
  return names_of(**open_table(test.context))[1];
}

}  // namespace weir::table
