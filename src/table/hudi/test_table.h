#pragma once

/// For tests of Hudi tables: a clock and ids that a test owns, rows as text, and a table of people.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/ids.h"
#include "storage/storage.h"
#include "table/hudi.h"

namespace weir::table {

/// 2026-11-23T00:00:00Z, standing still unless moved.
class StillClock final : public Clock {
 public:
  int64_t now_us() override { return now; }
  int64_t monotonic_us() override { return now; }
  int64_t now = 1'795'392'000'000'000;
};

class CountingRandom final : public Random {
 public:
  explicit CountingRandom(uint8_t start = 0) : next_(start) {}
  std::array<uint8_t, 16> bytes16() override {
    std::array<uint8_t, 16> bytes{};
    bytes[15] = ++next_;
    bytes[0] = static_cast<uint8_t>(next_ * 37);  // so that names are not in the order of making
    return bytes;
  }

 private:
  uint8_t next_;
};

/// A guard that another holder takes over once `asks` questions are answered.
class FickleGuard final : public CommitGuard {
 public:
  explicit FickleGuard(int asks) : asks_(asks) {}
  Status still_mine() override {
    if (asks_-- > 0) return {};
    return fail(ErrorCode::kConflict, "the lease has another holder");
  }

 private:
  int asks_;
};

struct Person {
  int64_t id;
  std::string name;
};

inline model::Schema people_schema() {
  return {{"id", {model::TypeKind::kBigint, 0, 0, {}}, true},
          {"name", {model::TypeKind::kVarchar, 0, 0, {}}, true}};
}

inline std::shared_ptr<arrow::RecordBatch> batch_of(const std::vector<Person>& people) {
  arrow::Int64Builder ids;
  arrow::StringBuilder names;
  for (const auto& person : people) {
    EXPECT_TRUE(ids.Append(person.id).ok());
    EXPECT_TRUE(names.Append(person.name).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8())}),
      static_cast<int64_t>(people.size()), {*ids.Finish(), *names.Finish()});
}

inline std::shared_ptr<arrow::Array> keys_of(const std::vector<Person>& people) {
  arrow::StringBuilder keys;
  for (const auto& person : people) EXPECT_TRUE(keys.Append(std::to_string(person.id)).ok());
  return *keys.Finish();
}

inline TableOptions people_options() {
  TableOptions options;
  options.name = "people";
  options.record_key = {"id"};
  options.schema = people_schema();
  return options;
}

/// What a test needs to open the table once more, as another process would.
struct TestContext {
  explicit TestContext(storage::Storage& store, uint8_t random_start = 0) : random(random_start) {
    context.store = &store;
    context.clock = &clock;
    context.random = &random;
  }
  StillClock clock;
  CountingRandom random;
  TableContext context;
};

/// One row with Hudi's columns, as it stands in a file.
struct StoredRow {
  std::string name, commit_time, seqno, key, partition, file_name;
  bool operator==(const StoredRow&) const = default;
};

/// Rows by id. Fails the test where two rows have one id.
inline std::map<int64_t, StoredRow> rows_of(HudiTable& table, const Snapshot& snapshot) {
  std::map<int64_t, StoredRow> rows;
  for (const auto& slice : snapshot.slices) {
    auto reader = table.open(slice);
    EXPECT_TRUE(reader) << slice.name;
    if (!reader) continue;
    EXPECT_EQ((*reader)->info().rows, slice.rows) << slice.name;
    for (int64_t group = 0; group < (*reader)->info().row_groups; ++group) {
      const auto batch = *(*reader)->read_row_group(group, {});
      const auto text = [&](const char* column, int64_t row) {
        return std::static_pointer_cast<arrow::StringArray>(batch->GetColumnByName(column))
            ->GetString(row);
      };
      const auto ids = std::static_pointer_cast<arrow::Int64Array>(batch->GetColumnByName("id"));
      for (int64_t row = 0; row < batch->num_rows(); ++row) {
        const StoredRow stored{text("name", row),
                               text("_hoodie_commit_time", row),
                               text("_hoodie_commit_seqno", row),
                               text("_hoodie_record_key", row),
                               text("_hoodie_partition_path", row),
                               text("_hoodie_file_name", row)};
        EXPECT_TRUE(rows.emplace(ids->Value(row), stored).second) << "id " << ids->Value(row);
      }
    }
  }
  return rows;
}

inline std::map<int64_t, std::string> names_of(HudiTable& table, const std::string& at = "") {
  std::map<int64_t, std::string> names;
  const auto snapshot = table.snapshot(at);
  EXPECT_TRUE(snapshot) << to_line(snapshot.error());
  if (!snapshot) return names;
  for (const auto& [id, row] : rows_of(table, *snapshot)) names[id] = row.name;
  return names;
}

/// What the beginning of a write does about the leftovers of others: how many were undone.
inline Result<int64_t> end_leftovers(HudiTable& table) {
  WEIR_ASSIGN(const auto turn, table.prepare(Action::kCommit));
  return turn->rolled_back();
}

/// Copies the rows of `previous` whose id is not among `without`. How many there were.
inline Result<int64_t> copy_rows(HudiTable& table, const FileSlice& previous, GroupWriter& writer,
                                 const std::vector<int64_t>& without) {
  WEIR_ASSIGN(const auto reader, table.open(previous));
  int64_t copied = 0;
  for (int64_t group = 0; group < reader->info().row_groups; ++group) {
    WEIR_ASSIGN(const auto batch, reader->read_row_group(group, {}));
    const auto ids = std::static_pointer_cast<arrow::Int64Array>(batch->GetColumnByName("id"));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      if (std::ranges::find(without, ids->Value(row)) != without.end()) continue;
      WEIR_TRY(writer.write_copied(*batch->Slice(row, 1)));
      ++copied;
    }
  }
  return copied;
}

inline BeginOptions begin_with(const std::string& token) {
  BeginOptions options;
  options.schema = people_schema();
  options.token = token;
  return options;
}

/// Ada and Bob in one group, Eve in another: the table that most tests begin with.
inline Result<CommitInfo> commit_first(HudiTable& table) {
  WEIR_ASSIGN(const auto commit, table.begin(begin_with("first")));
  const std::vector<std::pair<Role, std::vector<Person>>> groups = {
      {Role::kCurrent, {{1, "ada"}, {2, "bob"}}}, {Role::kHistory, {{3, "eve"}}}};
  for (const auto& [role, people] : groups) {
    WEIR_ASSIGN(const auto writer, commit->new_group(role, ""));
    WEIR_TRY(writer->write_changed(*batch_of(people), *keys_of(people)));
    WEIR_TRY(writer->finish(0, 0));
  }
  return commit->complete({{"weir.as_of", "2026-11-23T00:00:00Z"}});
}

/// Ada changes her name, Bob moves to the history's group, Dan comes.
inline Result<CommitInfo> commit_second(HudiTable& table) {
  WEIR_ASSIGN(const Snapshot before, table.snapshot());
  WEIR_ASSIGN(const auto commit, table.begin(begin_with("second")));
  for (const auto& slice : before.slices) {
    WEIR_ASSIGN(const auto writer, commit->next_version(slice, slice.role));
    const bool is_current = slice.role == Role::kCurrent;
    WEIR_TRY(copy_rows(table, slice, *writer, {1, 2}));
    const std::vector<Person> people = is_current ? std::vector<Person>{{1, "ada lovelace"}}
                                                  : std::vector<Person>{{2, "bob (closed)"}};
    WEIR_TRY(writer->write_changed(*batch_of(people), *keys_of(people)));
    WEIR_TRY(writer->finish(is_current ? 1 : 0, is_current ? 1 : 0));
  }
  WEIR_ASSIGN(const auto writer, commit->new_group(Role::kCurrent, ""));
  const std::vector<Person> people = {{4, "dan"}};
  WEIR_TRY(writer->write_changed(*batch_of(people), *keys_of(people)));
  WEIR_TRY(writer->finish(0, 0));
  return commit->complete({});
}

}  // namespace weir::table
