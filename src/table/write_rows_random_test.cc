// Random writes against a map that does what their definition says: after each, the table holds the
// map's rows, each once, in the partition that its value names.

#include <cstdlib>
#include <random>
#include <set>

#include "table/services.h"
#include "table/test_rows.h"

namespace weir::table {
namespace {

/// What the definition of each operation makes of a map of rows.
class Model {
 public:
  explicit Model(KeyScope scope) : scope_(scope) {}

  void upsert(const std::vector<Row>& rows) {
    std::map<std::string, Row> newest;
    for (const Row& row : rows) {
      const auto [found, is_new] = newest.try_emplace(key_of(row), row);
      if (!is_new && found->second.ts < row.ts) found->second = row;
    }
    for (const auto& [key, row] : newest) {
      const auto there = rows_.find(key);
      if (there == rows_.end() || there->second.ts <= row.ts) rows_[key] = row;
    }
  }
  void remove(const std::vector<Row>& rows) {
    for (const Row& row : rows) rows_.erase(key_of(row));
  }
  void overwrite(const std::vector<Row>& rows, bool whole_table) {
    std::set<std::string> cities;
    for (const Row& row : rows) cities.insert(row.city.value_or(""));
    std::erase_if(rows_, [&](const auto& each) {
      return whole_table || cities.contains(each.second.city.value_or(""));
    });
    for (const Row& row : rows) rows_[key_of(row)] = row;
  }
  std::vector<Row> rows() const {
    std::vector<Row> out;
    for (const auto& [key, row] : rows_) out.push_back(row);
    std::ranges::sort(out);
    return out;
  }
  bool has(const Row& row) const { return rows_.contains(key_of(row)); }

 private:
  std::string key_of(const Row& row) const {
    return scope_ == KeyScope::kTable ? std::to_string(row.id)
                                      : fmt::format("{}|{}", row.city.value_or(""), row.id);
  }

  KeyScope scope_;
  std::map<std::string, Row> rows_;
};

class RandomRows : public Rows, public ::testing::WithParamInterface<KeyScope> {
 protected:
  int below(int limit) { return static_cast<int>(engine_() % static_cast<uint64_t>(limit)); }
  /// Few keys and partitions, so that everything happens soon; each key once.
  std::vector<Row> some_rows(int most) {
    static const std::vector<Text> kCities = {std::nullopt, "Oslo", "a/b", "Tromsø"};
    std::map<int64_t, Row> rows;
    const int count = 1 + below(most);
    for (int i = 0; i < count; ++i) {
      const int64_t id = below(25);
      rows[id] = {id, kCities[static_cast<size_t>(below(4))], below(6),
                  fmt::format("v{}", ++values_)};
    }
    std::vector<Row> out;
    for (const auto& [id, row] : rows) out.push_back(row);
    std::ranges::shuffle(out, engine_);
    return out;
  }
  std::mt19937_64 engine_;

 private:
  int values_ = 0;
};

TEST_P(RandomRows, AgreeWithAMap) {
  const char* asked = std::getenv("WEIR_SEED");
  const uint64_t seed = asked != nullptr ? std::stoull(asked) : 20'261'126;
  SCOPED_TRACE(fmt::format("WEIR_SEED={}", seed));
  engine_.seed(seed);
  make();
  Model model(GetParam());
  std::map<std::string, std::vector<Row>> versions;
  const int steps = std::getenv("WEIR_LONG") != nullptr ? 600 : 60;
  for (int step = 0; step < steps; ++step) {
    SCOPED_TRACE(fmt::format("step {}", step));
    test_.clock.now += 1'000'000;
    target_file_bytes_ = below(3) == 0 ? 6'000 : int64_t{120} << 20;
    std::vector<Row> rows = some_rows(12);
    const int kind = below(10);
    std::string instant;
    if (kind < 6) {
      instant = must_write(RowOperation::kUpsert, rows, GetParam()).commit.time;
      model.upsert(rows);
    } else if (kind == 6) {
      instant = must_write(RowOperation::kDelete, rows, GetParam()).commit.time;
      model.remove(rows);
    } else if (kind == 7) {
      std::erase_if(rows, [&](const Row& row) { return model.has(row); });
      instant = must_write(RowOperation::kInsert, rows, GetParam()).commit.time;
      model.upsert(rows);
    } else if (kind == 8) {
      const auto compacted = compact(test_.context, *table_, {}, cancel_);
      ASSERT_TRUE(compacted) << to_line(compacted.error());
      instant = compacted->instant;
    } else {
      const bool whole_table = below(3) == 0;
      // Overwriting looks no key up: with one scope for all, only a whole table stays free of
      // twins.
      if (!whole_table && GetParam() == KeyScope::kTable) continue;
      instant = must_write(whole_table ? RowOperation::kOverwriteTable
                                       : RowOperation::kOverwritePartitions,
                           rows, GetParam())
                    .commit.time;
      model.overwrite(rows, whole_table);
    }
    ASSERT_EQ(stored(), model.rows());
    if (!instant.empty()) versions[instant] = model.rows();
    if (HasFailure()) return;
  }
  for (const auto& [instant, rows] : versions) EXPECT_EQ(stored(instant), rows) << instant;
}

INSTANTIATE_TEST_SUITE_P(Scope, RandomRows,
                         ::testing::Values(KeyScope::kTable, KeyScope::kPartition));

}  // namespace
}  // namespace weir::table
