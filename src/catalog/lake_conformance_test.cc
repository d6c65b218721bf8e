#include <signal.h>

#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;

/// A run whose task `ingest` is at attempt 1, epoch 1.
FlowRun running(Catalog& catalog) {
  const FlowRun run = monday_run();
  TaskRun task = waiting_task(run);
  task.state = TaskState::kRunning;
  task.attempt = 1;
  task.epoch = 1;
  EXPECT_OK(catalog.start_run(run, {task}));
  return run;
}

/// How many rows the tables that record_operation writes have.
std::string row_counts(Place& place) {
  std::string counts;
  for (const char* table : {"publication", "file_ledger", "watermark", "reconciliation",
                            "rejected_rows", "hold", "schema_history"})
    counts += fmt::format("{}={} ", table,
                          place.query(fmt::format("SELECT count(*) AS value FROM {}", table)));
  return counts;
}

/// A merge of what the ingestion published, as of the instant.
OperationRecord merge(const FlowRun& run, const std::string& token, int64_t as_of_us) {
  OperationRecord record = ingestion(run, token);
  record.operation.kind = model::OperationKind::kMergeHistory;
  record.operation.target.dataset = {"stage", "airports"};
  record.operation.as_of_us = as_of_us;
  record.operation.inputs[0].dataset = {"raw", "airports"};
  record.operation.inputs[0].format = "parquet";
  record.outcome.rejects.clear();
  record.outcome.publications.resize(1);
  record.outcome.publications[0].dataset = {"stage", "airports"};
  record.outcome.publications[0].token = token;
  record.outcome.publications[0].instant = "2022051200000000" + token.substr(0, 1);
  return record;
}

TEST_P(Conformance, OperationIsRecordedWholeAndOnce) {
  const FlowRun run = running(*catalog_);
  const OperationRecord record = ingestion(run);
  ASSERT_OK(catalog_->record_operation(record));
  const std::string once = row_counts(*place_);
  EXPECT_EQ(once,
            "publication=2 file_ledger=1 watermark=0 reconciliation=1 rejected_rows=1 hold=0 "
            "schema_history=1 ");
  ASSERT_OK(open()->record_operation(record));
  EXPECT_EQ(row_counts(*place_), once);

  const auto publications = catalog_->publications({"raw", "airports"});
  ASSERT_OK(publications);
  ASSERT_EQ(publications->size(), 1u);
  EXPECT_EQ(model::to_json((*publications)[0]), model::to_json(record.outcome.publications[1]));
  const auto ledger = catalog_->ledger({"raw", "airports"});
  ASSERT_OK(ledger);
  ASSERT_EQ(ledger->size(), 1u);
  EXPECT_EQ((*ledger)[0].source_name, "airports-20220512.csv");
  EXPECT_EQ((*ledger)[0].source_sha256, std::string(64, '1'));
  EXPECT_EQ((*ledger)[0].size_bytes, 1234);
  EXPECT_EQ((*ledger)[0].as_of_us, kMonday);
  EXPECT_EQ((*ledger)[0].token, record.operation.token);
  const auto reconciliations = catalog_->reconciliations(run.run_id);
  ASSERT_OK(reconciliations);
  ASSERT_EQ(reconciliations->size(), 1u);
  EXPECT_EQ((*reconciliations)[0].hop, "landing → raw.airports");
  EXPECT_TRUE((*reconciliations)[0].is_closed);
  EXPECT_EQ((*reconciliations)[0].counts, record.outcome.counts);
  EXPECT_EQ(catalog_->recorded_schema({"raw", "airports"})->value()[0].name, "icao");
}

TEST_P(Conformance, OperationOfATaskThatMovedOnIsRefused) {
  const FlowRun run = running(*catalog_);
  for (const auto& [attempt, epoch] : {std::pair<int64_t, int64_t>{2, 1}, {1, 2}}) {
    OperationRecord record = ingestion(run);
    record.attempt = attempt;
    record.epoch = epoch;
    EXPECT_FAILS(ErrorCode::kConflict, catalog_->record_operation(record));
  }
  OperationRecord record = ingestion(run);
  record.task_id = "nothing";
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->record_operation(record));
  EXPECT_THAT(row_counts(*place_), HasSubstr("publication=0"));
}

// A task whose process seemed to be gone waits for its next attempt under the epoch of the last.
TEST_P(Conformance, OperationOfATaskThatRunsNoMoreIsRefused) {
  const FlowRun run = running(*catalog_);
  auto row = catalog_->task_run(run.run_id, "ingest");
  ASSERT_OK(row);
  TaskRun ready = *row;
  ready.state = TaskState::kReady;
  ASSERT_OK(catalog_->move_task(ready, key_of(*row)));
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->record_operation(ingestion(run)));
  EXPECT_THAT(row_counts(*place_), HasSubstr("publication=0"));
}

TEST_P(Conformance, WatermarkGrowsAndNeverGoesBack) {
  const FlowRun run = running(*catalog_);
  const std::string monday(64, '1');
  const std::string tuesday(64, '2');
  ASSERT_OK(catalog_->record_operation(merge(run, tuesday, kTuesday)));
  ASSERT_OK(catalog_->record_operation(merge(run, monday, kMonday)));
  const auto watermarks = catalog_->watermarks({"stage", "airports"});
  ASSERT_OK(watermarks);
  ASSERT_EQ(watermarks->size(), 1u);
  EXPECT_EQ((*watermarks)[0].source, (model::DatasetName{"raw", "airports"}));
  EXPECT_EQ((*watermarks)[0].as_of_us, kTuesday);
  EXPECT_EQ((*watermarks)[0].token, tuesday);
}

TEST_P(Conformance, LoadIntoAWarehouseHasAWatermarkOfItsConnection) {
  const FlowRun run = running(*catalog_);
  OperationRecord record = merge(run, std::string(64, '3'), kMonday);
  record.operation.kind = model::OperationKind::kLoadWarehouse;
  record.operation.target.dataset = {};
  record.operation.target.connection_id = "warehouse";
  record.operation.target.table = "airports";
  record.outcome.publications.clear();
  ASSERT_OK(catalog_->record_operation(record));
  const auto watermarks = catalog_->watermarks({"connection:warehouse", "airports"});
  ASSERT_OK(watermarks);
  ASSERT_EQ(watermarks->size(), 1u);
  EXPECT_EQ((*watermarks)[0].as_of_us, kMonday);
}

TEST_P(Conformance, RepeatedRecordDoesNotBringBackAnOldSchema) {
  const FlowRun run = running(*catalog_);
  const auto with_column = [&](const std::string& token, const std::string& name) {
    OperationRecord record = ingestion(run, token);
    record.outcome.publications[1].schema = model::to_json(model::Schema{{name, {}, true}});
    return record;
  };
  ASSERT_OK(catalog_->record_operation(with_column(std::string(64, '1'), "icao")));
  ASSERT_OK(catalog_->record_operation(with_column(std::string(64, '2'), "icao")));
  ASSERT_OK(catalog_->record_operation(with_column(std::string(64, '3'), "code")));
  ASSERT_OK(catalog_->record_operation(with_column(std::string(64, '2'), "icao")));
  EXPECT_EQ(catalog_->recorded_schema({"raw", "airports"})->value()[0].name, "code");
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM schema_history"), "2");
}

TEST_P(Conformance, HashesOfFilesAreKeptForEachRootAndReplaced) {
  const std::string one(64, '1');
  const std::string two(64, '2');
  ASSERT_OK(catalog_->remember_files(
      "/in", {{"b.csv", 3, "v1", one}, {"a \u00fc'.csv", int64_t{1} << 40, "v2", two}}));
  ASSERT_OK(catalog_->remember_files("/other", {{"b.csv", 4, "v3", two}}));
  ASSERT_OK(catalog_->remember_files("/in", {{"b.csv", 5, "v4", two}}));
  ASSERT_OK(catalog_->remember_files("/in", {}));
  const auto files = open()->hashed_files("/in");
  ASSERT_OK(files);
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].name, "a \u00fc'.csv");
  EXPECT_EQ((*files)[0].size_bytes, int64_t{1} << 40);
  EXPECT_EQ((*files)[1].version, "v4");
  EXPECT_EQ((*files)[1].size_bytes, 5);
  EXPECT_EQ((*files)[1].sha256, two);
  EXPECT_TRUE(catalog_->hashed_files("/nowhere")->empty());
}

TEST_P(Conformance, SchemaHistoryKeepsWhatWasRecorded) {
  const model::DatasetName dataset{"raw", "airports"};
  EXPECT_FALSE(catalog_->recorded_schema(dataset)->has_value());
  const model::Schema one = {{"icao", {}, false}};
  const model::Schema two = {{"icao", {}, false},
                             {"lat", {model::TypeKind::kDouble, 0, 0, {}}, true}};
  ASSERT_OK(catalog_->record_schema(dataset, one, "t1"));
  ASSERT_OK(catalog_->record_schema(dataset, one, "t2"));
  ASSERT_OK(catalog_->record_schema(dataset, two, "t3"));
  EXPECT_EQ(catalog_->recorded_schema(dataset)->value(), two);
  EXPECT_EQ(place_->query("SELECT max(version) AS value FROM schema_history"), "2");
}

TEST_P(Conformance, HeldOperationWaitsAndIsClosedOnce) {
  const FlowRun run = running(*catalog_);
  OperationRecord record = merge(run, std::string(64, '5'), kMonday);
  record.outcome.publications.clear();
  record.outcome.held =
      model::Held{"too_many_deletes", "9 of 10 keys would vanish", {{"percent", 90}}};
  ASSERT_OK(catalog_->record_operation(record));
  EXPECT_EQ(row_counts(*place_),
            "publication=0 file_ledger=0 watermark=0 reconciliation=0 rejected_rows=0 hold=1 "
            "schema_history=0 ");
  const auto open_holds = catalog_->holds("open");
  ASSERT_OK(open_holds);
  ASSERT_EQ(open_holds->size(), 1u);
  EXPECT_EQ((*open_holds)[0].reason, "too_many_deletes");
  EXPECT_EQ((*open_holds)[0].target, (model::DatasetName{"stage", "airports"}));
  EXPECT_EQ((*open_holds)[0].facts["percent"], 90);

  ASSERT_OK(catalog_->close_hold(record.operation.token, "approved", "ann"));
  EXPECT_FAILS(ErrorCode::kConflict,
               catalog_->close_hold(record.operation.token, "rejected", "bob"));
  EXPECT_FAILS(ErrorCode::kNotFound, catalog_->close_hold("nothing", "approved", "ann"));
  EXPECT_FAILS(ErrorCode::kInvalidConfig,
               catalog_->close_hold(record.operation.token, "maybe", "ann"));
  ASSERT_OK(catalog_->record_operation(record));
  EXPECT_EQ(catalog_->holds("open")->size(), 0u) << "a repetition does not take back an approval";
  EXPECT_EQ(catalog_->holds("")->size(), 1u);
}

TEST_P(Conformance, CommitOfAHeldTokenClosesItsHold) {
  const FlowRun run = running(*catalog_);
  OperationRecord record = merge(run, std::string(64, '5'), kMonday);
  const model::Outcome outcome = record.outcome;
  record.outcome.held = model::Held{"empty_snapshot", "", {}};
  ASSERT_OK(catalog_->record_operation(record));
  record.outcome = outcome;
  ASSERT_OK(catalog_->record_operation(record));
  EXPECT_EQ(catalog_->holds("superseded")->size(), 1u);
}

TEST_P(Conformance, CommitAfterAnApprovalLeavesItAsItWas) {
  const FlowRun run = running(*catalog_);
  OperationRecord record = merge(run, std::string(64, '5'), kMonday);
  const model::Outcome outcome = record.outcome;
  record.outcome.held = model::Held{"empty_snapshot", "", {}};
  ASSERT_OK(catalog_->record_operation(record));
  ASSERT_OK(catalog_->close_hold(record.operation.token, "approved", "ann"));
  record.outcome = outcome;
  ASSERT_OK(catalog_->record_operation(record));
  EXPECT_EQ(catalog_->holds("approved")->size(), 1u)
      << "that somebody let it through stays on record";
}

TEST_P(Conformance, HealBringsBackWhatWasLostAndCorrectsTheRest) {
  const FlowRun run = running(*catalog_);
  ASSERT_OK(catalog_->record_operation(merge(run, std::string(64, '1'), kTuesday)));
  const auto publications = catalog_->publications({"stage", "airports"});
  const auto ledger = catalog_->ledger({"stage", "airports"});
  auto watermarks = catalog_->watermarks({"stage", "airports"});
  ASSERT_OK(publications);
  for (const char* table : {"publication", "file_ledger"})
    ASSERT_OK(place_->run_sql(fmt::format("DELETE FROM {}", table)));
  (*watermarks)[0].as_of_us = kMonday;  // The table was rolled back: the lake knows better.
  const LakeRows rows{.targets = {{"stage", "airports"}},
                      .publications = *publications,
                      .ledger = *ledger,
                      .watermarks = *watermarks};
  ASSERT_OK(catalog_->heal(rows));
  ASSERT_OK(catalog_->heal(rows));
  EXPECT_EQ(model::to_json(catalog_->publications({"stage", "airports"})->at(0)),
            model::to_json(publications->at(0)));
  EXPECT_EQ(catalog_->ledger({"stage", "airports"})->at(0).identity, ledger->at(0).identity);
  EXPECT_EQ(catalog_->watermarks({"stage", "airports"})->at(0).as_of_us, kMonday);
}

TEST_P(Conformance, HealForgetsOfItsTargetsWhatTheLakeDoesNotKnow) {
  const FlowRun run = running(*catalog_);
  ASSERT_OK(catalog_->record_operation(merge(run, std::string(64, '1'), kMonday)));
  ASSERT_OK(catalog_->record_operation(ingestion(run)));
  const std::string before = row_counts(*place_);
  EXPECT_EQ(*catalog_->heal({}), 0);
  EXPECT_EQ(row_counts(*place_), before);
  EXPECT_EQ(*catalog_->heal(LakeRows{.targets = {{"stage", "airports"}}}), 1);
  EXPECT_TRUE(catalog_->publications({"stage", "airports"})->empty());
  EXPECT_TRUE(catalog_->ledger({"stage", "airports"})->empty());
  EXPECT_TRUE(catalog_->watermarks({"stage", "airports"})->empty());
  EXPECT_EQ(catalog_->publications({"raw", "airports"})->size(), 1u);
}

TEST_P(Conformance, HealWritesSchemasInOrderAndOnce) {
  const auto with_column = [](const std::string& token, const std::string& name) {
    model::Publication publication;
    publication.dataset = {"raw", "airports"};
    publication.token = token;
    publication.schema = model::to_json(model::Schema{{name, {}, true}});
    return publication;
  };
  const LakeRows rows{.targets = {{"raw", "airports"}},
                      .publications = {with_column("1", "icao"), with_column("2", "icao"),
                                       with_column("3", "iata")}};
  ASSERT_OK(catalog_->heal(rows));
  ASSERT_OK(catalog_->heal(rows));
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM schema_history"), "2");
  EXPECT_EQ(catalog_->recorded_schema({"raw", "airports"})->value()[0].name, "iata");
}

TEST_P(Conformance, ProcessKilledAtAnyStatementLeavesAllOrNothing) {
  const FlowRun run = running(*catalog_);
  const std::string nothing = row_counts(*place_);
  const std::string everything =
      "publication=2 file_ledger=1 watermark=0 reconciliation=1 rejected_rows=1 hold=0 "
      "schema_history=1 ";
  int killed = 0;
  for (int statement = 1;; ++statement) {
    int seen = 0;
    bool is_armed = false;  // Not while the catalog opens.
    const pid_t child = in_child(
        [&](Catalog& mine) {
          is_armed = true;
          return mine.record_operation(ingestion(run)) ? 0 : 1;
        },
        [&](std::string_view) {
          if (is_armed && ++seen == statement) raise(SIGKILL);
        });
    const int status = wait_for(child);
    if (status == 0) break;
    ASSERT_EQ(status, -SIGKILL);
    EXPECT_EQ(row_counts(*place_), nothing) << "killed before statement " << statement;
    ++killed;
  }
  EXPECT_GE(killed, 8) << "BEGIN, the check, seven tables, COMMIT";
  EXPECT_EQ(row_counts(*place_), everything);
}

}  // namespace
}  // namespace weir::catalog
