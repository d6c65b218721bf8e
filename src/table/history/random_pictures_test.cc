// Random sequences of pictures, merged for real and by a naive fold over maps: after every commit
// the table holds the fold's versions, the counts agree and the invariants of history hold.

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "table/history/test_lake.h"
#include "table/history/timeline_of_key.h"

namespace weir::table {
namespace {

using model::Counts;

/// Pictures from few keys and few values, so that everything happens soon.
class Chance {
 public:
  explicit Chance(uint64_t seed) : engine_(seed) {}
  bool happens(int percent) { return below(100) < percent; }
  int below(int limit) { return static_cast<int>(engine_() % static_cast<uint64_t>(limit)); }
  template <typename T>
  const T& one_of(const std::vector<T>& values) {
    return values[static_cast<size_t>(below(static_cast<int>(values.size())))];
  }
  std::mt19937_64& engine() { return engine_; }

 private:
  std::mt19937_64 engine_;
};

const std::vector<std::string> kKeys = {"",    "a",  "a|b",  "b|a", "é",  "e\u0301", "NULL",
                                        "'q'", "\"", "名前", "0",   "00", "A",       " a"};
const std::vector<Cell> kTexts = {std::nullopt, "", "x", "y", "x|", "é"};
const std::vector<Cell> kNumbers = {std::nullopt, "0", "1", "-1", "2147483647"};

using Values = std::map<std::string, Cell>;

struct ExpectedVersion {
  Values values;
  int64_t from = 0;
  std::optional<int64_t> to;
  bool is_deleted = false;
};

/// The definition, as one would write it for a table that fits into a map.
class NaiveHistory {
 public:
  NaiveHistory(std::set<std::string> untracked, bool deletes_by_absence, double max_deleted_percent)
      : untracked_(std::move(untracked)),
        deletes_by_absence_(deletes_by_absence),
        max_deleted_percent_(max_deleted_percent) {}

  /// The counts, or nothing where the picture is held.
  std::optional<Counts> take(int64_t as_of, const Picture& picture,
                             const std::set<std::string>& quarantined) {
    read(picture);
    Counts counts = counts_;
    std::vector<std::string> gone;
    int64_t open = 0;
    for (const auto& [key, versions] : history) {
      if (versions.back().to) continue;
      ++open;
      if (!present_.contains(key) && !quarantined.contains(key)) gone.push_back(key);
    }
    if (deletes_by_absence_) {
      if (picture.rows.empty()) return std::nullopt;
      if (100.0 * static_cast<double>(gone.size()) >
          max_deleted_percent_ * static_cast<double>(open))
        return std::nullopt;
      for (const auto& key : gone) {
        history[key].back().to = as_of;
        history[key].back().is_deleted = true;
        ++counts.closed_by_absence;
      }
    }
    for (const auto& [key, values] : good_) put(as_of, key, values, counts);
    for (const auto& [name, type] : picture.columns) known_.insert(name);
    for (const auto& [key, versions] : history) counts.out += static_cast<int64_t>(versions.size());
    return counts;
  }

  std::map<std::string, std::vector<ExpectedVersion>> history;

 private:
  void read(const Picture& picture) {
    counts_ = {};
    good_.clear();
    present_.clear();
    std::map<std::string, std::vector<Values>> rows;
    for (const auto& row : picture.rows) {
      ++counts_.in;
      Values values;
      for (size_t i = 0; i < row.size(); ++i) values[picture.columns[i].first] = row[i];
      const Cell key = values["k"];
      if (!key) {
        ++counts_.rejected;
        continue;
      }
      present_.insert(*key);
      rows[*key].push_back(values);
    }
    for (const auto& [key, found] : rows) {
      const bool is_conflict =
          std::ranges::any_of(found, [&](const Values& other) { return other != found.front(); });
      if (is_conflict) {
        counts_.rejected += static_cast<int64_t>(found.size());
        continue;
      }
      counts_.deduplicated += static_cast<int64_t>(found.size()) - 1;
      good_[key] = found.front();
    }
  }

  void put(int64_t as_of, const std::string& key, const Values& values, Counts& counts) {
    auto& versions = history[key];
    if (versions.empty() || versions.back().to) {
      versions.push_back({values, as_of, std::nullopt, false});
      ++counts.inserted;
      return;
    }
    bool is_changed = false;
    bool is_refreshed = false;
    for (const auto& [name, value] : values) {
      if (name == "k") continue;
      if (!known_.contains(name)) {
        is_refreshed = is_refreshed || value.has_value();
      } else if (untracked_.contains(name)) {
        is_refreshed = is_refreshed || value != versions.back().values[name];
      } else {
        is_changed = is_changed || value != versions.back().values[name];
      }
    }
    Values merged = versions.back().values;
    for (const auto& [name, value] : values) merged[name] = value;
    if (is_changed) {
      versions.back().to = as_of;
      ++counts.closed_by_change;
      versions.push_back({merged, as_of, std::nullopt, false});
      ++counts.inserted;
    } else if (is_refreshed) {
      versions.back().values = merged;
      ++counts.updated_in_place;
    } else {
      ++counts.unchanged;
    }
  }

  std::set<std::string> untracked_;
  bool deletes_by_absence_;
  double max_deleted_percent_;
  std::set<std::string> known_;
  Counts counts_;
  std::map<std::string, Values> good_;
  std::set<std::string> present_;
};

/// One random sequence: a lake, the fold, and what both saw.
class Sequence {
 public:
  explicit Sequence(uint64_t seed) : chance_(seed) {
    is_plain_ = chance_.happens(30);  // no column comes, goes or is untracked
    has_untracked_ = !is_plain_ && chance_.happens(40);
    if (has_untracked_) lake_.options.untracked = {"u"};
    const bool by_absence = chance_.happens(75);
    lake_.options.deletes = by_absence ? Deletes::kByAbsence : Deletes::kIgnore;
    lake_.options.max_deleted_percent = chance_.happens(70) ? 100 : 40;
    if (chance_.happens(50)) lake_.options.target_file_bytes = 1 + chance_.below(40'000);
    naive_.emplace(has_untracked_ ? std::set<std::string>{"u"} : std::set<std::string>{},
                   by_absence, lake_.options.max_deleted_percent);
  }

  void run() {
    const int days = 3 + chance_.below(5);
    for (day_ = 0; day_ < days && !::testing::Test::HasFailure(); ++day_) {
      SCOPED_TRACE(fmt::format("day {}", day_));
      one_day();
    }
  }
  int64_t groups_joined() const { return lake_.groups_joined(); }

 private:
  void one_day() {
    const int64_t as_of = kMonday + day_ * kDay;
    const Picture picture = next_picture();
    std::set<std::string> quarantined;
    HistorySource source = lake_.raw(as_of, picture);
    if (chance_.happens(15)) {
      quarantined.insert(chance_.one_of(kKeys));
      source.rejected_files = {
          lake_.copy(fmt::format("SELECT to_json({{k: {}}})::VARCHAR AS \"values\"",
                                 model::quote_text(*quarantined.begin())))};
    }
    const auto merged = lake_.merge(source);
    ASSERT_TRUE(merged) << to_line(merged.error());
    const auto expected = naive_->take(as_of, picture, quarantined);
    ASSERT_EQ(merged->held.has_value(), !expected.has_value());
    if (!expected) return;
    has_table_ = true;
    EXPECT_EQ(model::to_json(merged->counts).dump(), model::to_json(*expected).dump());
    if (is_plain_) observe(as_of, picture, quarantined);
    compare();
    if (!chance_.happens(20) || ::testing::Test::HasFailure()) return;
    const auto tidied = lake_.tidy();
    ASSERT_TRUE(tidied) << to_line(tidied.error());
    compare();
  }

  /// Today's columns: one comes for good, one is sometimes missing, in any order.
  std::vector<std::pair<std::string, std::string>> columns() {
    std::vector<std::pair<std::string, std::string>> out = {{"k", "varchar"},
                                                            {"n", is_wide_ ? "bigint" : "integer"}};
    if (is_plain_ || !chance_.happens(10)) out.emplace_back("v", "varchar");
    if (has_untracked_ && !chance_.happens(10)) out.emplace_back("u", "varchar");
    if (!has_table_)
      return {{"k", "varchar"}, {"n", "integer"}, {"v", "varchar"}, {"u", "varchar"}};
    if (!has_untracked_) out.emplace_back("u", "varchar");
    if (!is_plain_) {
      is_wide_ = is_wide_ || chance_.happens(20);
      has_lid_ = has_lid_ || chance_.happens(25);
      if (has_lid_) out.emplace_back("lid", "varchar");
      std::ranges::shuffle(out, chance_.engine());
    }
    return out;
  }

  Picture next_picture() {
    Picture picture{columns(), {}};
    const int absent_percent = chance_.happens(5) ? 100 : 25;
    for (const std::string& key : kKeys) {
      if (chance_.happens(absent_percent)) continue;
      picture.rows.push_back(row_of(picture, key));
      if (chance_.happens(8)) picture.rows.push_back(picture.rows.back());
      if (chance_.happens(5)) picture.rows.push_back(row_of(picture, key));
    }
    if (chance_.happens(10) && absent_percent < 100)
      picture.rows.push_back(row_of(picture, std::nullopt));
    std::ranges::shuffle(picture.rows, chance_.engine());
    return picture;
  }

  std::vector<Cell> row_of(const Picture& picture, const Cell& key) {
    Values& last = last_[key.value_or("")];
    std::vector<Cell> row;
    for (const auto& [name, type] : picture.columns) {
      if (name != "k" && (!last.contains(name) || chance_.happens(15)))
        last[name] = chance_.one_of(name == "n" ? kNumbers : kTexts);
      row.push_back(name == "k" ? key : last[name]);
    }
    return row;
  }

  /// What a plain sequence shows of each key, for the fold of one key.
  void observe(int64_t as_of, const Picture& picture, const std::set<std::string>& quarantined) {
    std::map<std::string, std::set<std::string>> seen;
    for (const auto& row : picture.rows) {
      std::string value;
      std::string key;
      bool is_null = false;
      for (size_t i = 0; i < row.size(); ++i) {
        if (picture.columns[i].first != "k") {
          value += row[i] ? "=" + *row[i] : "-";
        } else {
          key = row[i].value_or("");
          is_null = !row[i];
        }
      }
      if (!is_null) seen[key].insert(value);
    }
    for (const std::string& key : kKeys) {
      if (seen[key].size() == 1) {
        observations_[key].push_back({as_of, false, *seen[key].begin()});
      } else if (seen[key].empty() && !quarantined.contains(key) &&
                 lake_.options.deletes == Deletes::kByAbsence) {
        observations_[key].push_back({as_of, true, ""});
      }
    }
    for (const auto& [key, found] : observations_) {
      const auto timeline = timeline_of_key(found);
      ASSERT_TRUE(timeline);
      const auto known = naive_->history.find(key);
      const auto versions =
          known == naive_->history.end() ? std::vector<ExpectedVersion>() : known->second;
      ASSERT_EQ(timeline->size(), versions.size()) << key;
      for (size_t i = 0; i < versions.size(); ++i) {
        EXPECT_EQ((*timeline)[i].from_us, versions[i].from);
        EXPECT_EQ((*timeline)[i].to_us, versions[i].to);
        EXPECT_EQ((*timeline)[i].closed == Closed::kByDelete, versions[i].is_deleted);
      }
    }
  }

  static std::string line_of(const std::string& key, const Values& values, const std::string& from,
                             const Cell& to, bool is_deleted) {
    std::string line = "<" + key + ">";
    for (const char* name : {"n", "v", "u", "lid"}) {
      const auto found = values.find(name);
      line += found == values.end() || !found->second ? " NULL" : " <" + *found->second + ">";
    }
    return fmt::format("{} {} {} {}", line, from, to.value_or("open"), is_deleted ? "deleted" : "");
  }

  std::string hash_of(const StoredVersion& version) const {
    model::CanonicalWriter row;
    row.row();
    for (const char* name : {"lid", "n", "u", "v"}) {
      const auto found = version.find(name);
      if (found == version.end() || !found->second) continue;
      if (name == std::string_view("u") && has_untracked_) continue;
      row.name(name);
      name == std::string_view("n") ? row.integer(std::stoll(*found->second))
                                    : row.text(*found->second);
    }
    return model::canonical_hash(row.bytes());
  }

  void compare() {
    std::vector<std::string> expected;
    for (const auto& [key, versions] : naive_->history) {
      for (const ExpectedVersion& version : versions)
        expected.push_back(line_of(key, version.values, std::to_string(version.from),
                                   version.to ? Cell(std::to_string(*version.to)) : std::nullopt,
                                   version.is_deleted));
    }
    std::vector<std::string> found;
    const auto versions = lake_.versions();
    for (const StoredVersion& version : versions)
      found.push_back(line_of(*version.at("k"), version, *version.at("valid_from"),
                              version.at("valid_to"), version.at("is_deleted") == "true"));
    std::ranges::sort(expected);
    std::ranges::sort(found);
    EXPECT_EQ(fmt::format("{}", fmt::join(found, "\n")),
              fmt::format("{}", fmt::join(expected, "\n")));
    check_invariants(versions);
  }

  /// The letters are those of the definition (docs/format/hudi.md).
  void check_invariants(const std::vector<StoredVersion>& versions) {
    std::set<std::string> ids;
    std::map<std::string, StoredVersion> closed;
    const StoredVersion* before = nullptr;
    for (const StoredVersion& version : versions) {
      const Cell to = version.at("valid_to");
      EXPECT_EQ(version.at("is_current") == "true", !to) << "I7";
      if (to) {
        EXPECT_LT(std::stoll(*version.at("valid_from")), std::stoll(*to)) << "I3";
      }
      EXPECT_TRUE(version.at("k")) << "I8";
      EXPECT_TRUE(ids.insert(*version.at("_version_id")).second) << "I8";
      EXPECT_TRUE(version.at("_source_file") && version.at("_source_row")) << "I6";
      EXPECT_EQ(version.at("row_hash"), hash_of(version));
      if (before != nullptr && before->at("k") == version.at("k")) {
        ASSERT_TRUE(before->at("valid_to")) << "I1, I2";
        const int64_t end = std::stoll(*before->at("valid_to"));
        const int64_t start = std::stoll(*version.at("valid_from"));
        EXPECT_LE(end, start) << "I2";
        EXPECT_EQ(before->at("is_deleted") == "true", end < start) << "I5";
        if (end == start) {
          EXPECT_NE(before->at("row_hash"), version.at("row_hash")) << "I4";
        }
      }
      before = &version;
      if (to) closed[*version.at("_version_id")] = version;
    }
    for (auto& [id, version] : closed_) {
      if (closed[id].contains("lid")) version.try_emplace("lid", std::nullopt);
      EXPECT_EQ(closed[id], version) << "I9";
    }
    closed_ = std::move(closed);
  }

  Chance chance_;
  TestLake lake_;
  std::optional<NaiveHistory> naive_;
  bool is_plain_ = false;
  bool has_untracked_ = false;
  bool is_wide_ = false;
  bool has_lid_ = false;
  bool has_table_ = false;
  int64_t day_ = 0;
  std::map<std::string, Values> last_;
  std::map<std::string, std::vector<Observation>> observations_;
  std::map<std::string, StoredVersion> closed_;
};

TEST(RandomPictures, GiveTheHistoryOfANaiveFold) {
  const bool is_long = std::getenv("WEIR_LONG") != nullptr;
  const char* only = std::getenv("WEIR_SEED");
  const uint64_t first = only != nullptr ? std::stoull(only) : 1;
  const uint64_t last = only != nullptr ? first : is_long ? 2'000 : 40;
  int64_t groups_joined = 0;
  for (uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("WEIR_SEED={}", seed));
    Sequence sequence(seed);
    sequence.run();
    groups_joined += sequence.groups_joined();
  }
  EXPECT_TRUE(only != nullptr || groups_joined > 20) << "there was hardly anything to join";
}

}  // namespace
}  // namespace weir::table
