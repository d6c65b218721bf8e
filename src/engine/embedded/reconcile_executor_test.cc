#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "custody/chain.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/pinned.h"
#include "engine/embedded/small_lake.h"

namespace weir::engine::embedded {
namespace {

using ::testing::HasSubstr;

constexpr auto kName = "people-bbbbbbbbbbbbbbbb.parquet";
constexpr auto kThree = "SELECT i AS id FROM range(3) t(i)";
constexpr auto kTwo = "SELECT i AS id FROM range(2) t(i)";

/// A raw object of three rows and its quarantine of one, with footers, as a catalog recorded them.
class ReconcileExecutor : public SmallLake {
 protected:
  void SetUp() override {
    SmallLake::SetUp();
    link_.dataset = {"raw", "people"};
    link_.uri = folder_ + "/raw/people";
    link_.rejected_uri = folder_ + "/raw/people__rejected";
    rejected_ = put(link_.rejected_uri, "SELECT 'x' AS reason", {});
    rejected_.dataset = link_.dataset.rejected();
    raw_ = put(link_.uri, kThree,
               {{"weir.rejected", dump_json({{"name", rejected_.object_name},
                                             {"rows", 1},
                                             {"size_bytes", rejected_.size_bytes},
                                             {"sha256", rejected_.sha256}})}});
    link_.recorded = {raw_};
    link_.recorded_rejected = {rejected_};
  }

  /// Writes an object with weir's footer of a hop 4 = 3 + 1.
  model::Publication put(const std::string& uri, const std::string& query,
                         std::map<std::string, std::string> footer) {
    const model::Counts counts{.in = 4, .inserted = 3, .rejected = 1, .out = 3};
    footer.insert({{"weir.token", std::string(64, 'a')},
                   {"weir.identity", std::string(64, 'b')},
                   {"weir.source_name", "people.csv"},
                   {"weir.counts", dump_json(model::to_json(counts))}});
    auto session = sql::open_session({}, cancel_);
    auto reader = (*session)->stream(query);
    auto file = parquet::create_file(store(uri), kName, (*reader)->schema(), {});
    while (auto batch = *(*reader)->next()) EXPECT_TRUE((*file)->write(*batch));
    const auto written = (*file)->commit(footer, storage::Put::kReplace);
    EXPECT_TRUE(written) << to_line(written.error());
    model::Publication publication;
    publication.dataset = link_.dataset;
    publication.token = std::string(64, 'a');
    publication.object_name = kName;
    publication.source_name = "people.csv";
    publication.rows = written->rows;
    publication.size_bytes = written->size_bytes;
    publication.sha256 = written->sha256;
    publication.counts = counts;
    return publication;
  }

  Result<Outcome> run(const std::string& severity = "fail") {
    auto made = operation(model::OperationKind::kReconcile, {});
    made.params = {{"chain", custody::to_json({{link_}, {}})}, {"severity", severity}};
    return reconcile(made, context_);
  }
  Error fault() {
    const auto outcome = run();
    EXPECT_FALSE(outcome);
    return outcome ? Error{} : outcome.error();
  }

  custody::Link link_;
  model::Publication raw_;
  model::Publication rejected_;
};

TEST_F(ReconcileExecutor, ChainThatIsAsPublishedCloses) {
  const auto outcome = run();
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->details["verdicts"][0]["ok"], true);
  EXPECT_EQ(outcome->details["verdicts"][0]["hop"], "people.csv → raw.people");
  EXPECT_EQ(outcome->counts, (model::Counts{.in = 3, .unchanged = 3, .out = 3}));
}

TEST_F(ReconcileExecutor, LakeWithoutACatalogSpeaksForItself) {
  link_.recorded.clear();
  link_.recorded_rejected.clear();
  EXPECT_TRUE(run());
  ASSERT_TRUE(store(link_.rejected_uri).remove(kName));
  EXPECT_THAT(fault().message,
              HasSubstr("quarantine object 'people-bbbbbbbbbbbbbbbb.parquet' is not there"));
}

TEST_F(ReconcileExecutor, TruncatedObjectIsCorrupt) {
  const auto bytes = *store(link_.uri).read(kName, storage::Range::all());
  ASSERT_TRUE(storage::put(store(link_.uri), kName, bytes.substr(0, bytes.size() / 2),
                           storage::Put::kReplace));
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("hop 'people.csv → raw.people'"));
  EXPECT_THAT(error.message, HasSubstr("cannot be read"));
  // Also where nobody recorded it.
  link_.recorded.clear();
  EXPECT_THAT(fault().message, HasSubstr("hop 'landing → raw.people'"));
}

TEST_F(ReconcileExecutor, RowLessUnderTheSameFooterIsCorrupt) {
  put(link_.uri, kTwo, {});
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("has 2 rows; the catalog says 3"));
}

TEST_F(ReconcileExecutor, RowLessIsFoundByItsFooterWhereTheRecordWasForgedToo) {
  link_.recorded = {put(link_.uri, kTwo, {})};
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("published 3 rows and has 2"));
}

TEST_F(ReconcileExecutor, ObjectOfOthersInItsPlaceIsFound) {
  object(link_.uri, kName, kThree);
  const auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("its footer is none of weir's"));
}

TEST_F(ReconcileExecutor, ObjectOfAnotherFileInItsPlaceIsFoundByItsName) {
  link_.recorded.clear();
  const auto bytes = *store(link_.uri).read(kName, storage::Range::all());
  ASSERT_TRUE(storage::put(store(link_.uri), "people-cccccccccccccccc.parquet", bytes,
                           storage::Put::kIfAbsent));
  EXPECT_THAT(fault().message, HasSubstr("'people-cccccccccccccccc.parquet' cannot be read: it is "
                                         "another object than its name says"));
}

TEST_F(ReconcileExecutor, DeletedObjectsAreNamedWithTheirHop) {
  ASSERT_TRUE(store(link_.rejected_uri).remove(kName));
  auto error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message,
              HasSubstr("quarantine object 'people-bbbbbbbbbbbbbbbb.parquet' is not there"));
  ASSERT_TRUE(store(link_.uri).remove(kName));
  error = fault();
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("hop 'people.csv → raw.people' does not close: object"));
}

TEST_F(ReconcileExecutor, SeverityWarnTellsAndGoesOn) {
  ASSERT_TRUE(store(link_.uri).remove(kName));
  const auto outcome = run("warn");
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  ASSERT_FALSE(outcome->warnings.empty());
  EXPECT_THAT(outcome->warnings[0], HasSubstr("people.csv → raw.people"));
  EXPECT_TRUE(outcome->counts.is_closed());
}

TEST_F(ReconcileExecutor, ChainGoesThroughJsonAndBack) {
  const Json json = custody::to_json({{link_}, {{"wh", "people", {{"kind", "duckdb"}}, "t"}}});
  const auto back = custody::chain_from_json(json);
  ASSERT_TRUE(back) << to_line(back.error());
  EXPECT_EQ(custody::to_json(*back), json);
}

TEST_F(ReconcileExecutor, PinnedFooterWithAnotherNumberOfRowsIsCorrupt) {
  auto made = operation(model::OperationKind::kCheck, {input("raw.people", kThree)});
  made.inputs[0].objects[0].rows = 4;
  const auto opened = open_readings(made, context_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message, HasSubstr("has rows 3; pinned was 4"));
}

TEST_F(ReconcileExecutor, StoresAndNamesThatTheEngineCannotOpenAreReadThroughCopies) {
  auto made = operation(model::OperationKind::kCheck, {input("raw.people", kThree)});
  const auto count = [&] {
    const auto opened = open_readings(made, context_);
    EXPECT_TRUE(opened) << to_line(opened.error());
    return opened ? *opened->session->query_number("SELECT count(*) FROM raw.people") : -1;
  };
  auto& pinned = made.inputs[0].objects[0];
  const auto bytes = *store(pinned.uri).read(pinned.name, storage::Range::all());
  ASSERT_TRUE(storage::put(store("memory:lake"), "a.parquet", bytes, storage::Put::kIfAbsent));
  pinned.uri = "memory:lake";
  pinned.name = "a.parquet";
  EXPECT_EQ(count(), 3);
  pinned = object(folder_ + "/raw.people", "part[1].parquet", kThree);
  EXPECT_EQ(count(), 3);
}

}  // namespace
}  // namespace weir::engine::embedded
