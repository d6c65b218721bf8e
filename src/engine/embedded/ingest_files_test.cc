// One landing file becomes a raw object and, where records are refused, a rejected one.

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include <arrow/api.h>
#include <gmock/gmock.h>

#include "base/digest.h"
#include "engine/embedded/executors.h"
#include "parquet/parquet.h"
#include "sql/session.h"

namespace weir::engine::embedded {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMonday = 1'652'313'600'000'000;  // 2022-05-12

class IngestFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "weir-ingest-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    root_ = folder;
    stores_ = storage::make_local_stores(folder);
    clock_ = make_system_clock();
    random_ = make_system_random();
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  storage::Storage& store(const std::string& uri) { return **stores_->open(uri); }

  Context context() {
    Context context;
    context.stores = stores_.get();
    context.clock = clock_.get();
    context.random = random_.get();
    context.cancel = &cancel_;
    return context;
  }

  // An operation over a landing file with that text, which is put there.
  Operation operation(const std::string& text, const std::string& columns,
                      Json csv = Json::object()) {
    EXPECT_TRUE(storage::put(store("landing"), "day/sales.csv", text, storage::Put::kReplace));
    Operation operation;
    operation.kind = model::OperationKind::kIngestFiles;
    const std::string sha = sha256_hex(text);
    model::PinnedInput input;
    input.format = "file";
    input.uri = "landing";
    input.objects.push_back(
        {"landing", "day/sales.csv", static_cast<int64_t>(text.size()), sha, kMonday, -1, 0});
    operation.inputs.push_back(std::move(input));
    operation.target.dataset = {"raw", "sales"};
    operation.target.uri = "raw/sales";
    operation.target.rejected_uri = "raw/sales__rejected";
    operation.target.format = "parquet";
    operation.target.schema = schema_of(columns);
    const std::string identity = model::identity_of(model::Identity::kContent, sha, {});
    operation.params = {{"format", {{"csv", std::move(csv)}}}, {"input_identity", identity}};
    operation.as_of_us = kMonday;
    operation.origin.run_id = "run-1";
    operation.origin.logical_time_us = kMonday + 5;
    operation.limits.threads = 2;
    operation.limits.temp_folder = root_ / "temp";
    operation.token = model::token_of(operation);
    return operation;
  }

  static model::Schema schema_of(const std::string& columns) {
    model::Schema schema;
    for (size_t at = 0; at < columns.size();) {
      const size_t end = std::min(columns.find(';', at), columns.size());
      const std::string item = columns.substr(at, end - at);
      const size_t space = item.find(' ');
      schema.push_back({item.substr(0, space), *model::parse_type(item.substr(space + 1)), true});
      at = end + 1;
    }
    return schema;
  }

  Result<Outcome> run(const Operation& operation) { return ingest_files(operation, context()); }

  // Rows of a published object, values joined by '|'.
  std::vector<std::string> rows_of(const std::string& uri, const model::Publication& object,
                                   const std::string& columns) {
    auto session = *sql::open_session({.temp_folder = root_ / "temp"}, cancel_);
    const auto result =
        session->query(fmt::format("SELECT {} FROM read_parquet({})", columns,
                                   model::quote_text(*store(uri).engine_uri(object.object_name))));
    EXPECT_TRUE(result) << (result ? "" : to_line(result.error()));
    std::vector<std::string> rows;
    if (!result) return rows;
    for (const auto& row : result->rows) {
      std::string text;
      for (const auto& value : row) text += (text.empty() ? "" : "|") + value.value_or("∅");
      rows.push_back(text);
    }
    return rows;
  }

  size_t objects_in(const std::string& uri) { return storage::list_all(store(uri), "")->size(); }

  std::filesystem::path root_;
  std::unique_ptr<storage::Stores> stores_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Random> random_;
  Cancel cancel_;
};

TEST_F(IngestFiles, AFileBecomesOneObjectWithItsLoadColumnsAndFooter) {
  const auto op = operation("id,amount,day\n1,10.50,2022-05-12\n2,,\n",
                            "id bigint;amount decimal(10,2);day date");
  const auto outcome = run(op);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_FALSE(outcome->was_already_done);
  ASSERT_EQ(outcome->publications.size(), 1u);
  const auto& raw = outcome->publications[0];
  const std::string identity = op.params["input_identity"];
  EXPECT_EQ(raw.object_name, "sales-" + identity.substr(0, 16) + ".parquet");
  EXPECT_EQ(raw.source_name, "day/sales.csv");
  EXPECT_EQ(raw.as_of_us, kMonday);
  EXPECT_THAT(raw.input_identities, ElementsAre(identity));
  EXPECT_EQ(raw.sha256, storage::digest_of(store("raw/sales"), raw.object_name)->sha256);
  EXPECT_THAT(rows_of("raw/sales", raw, "*"),
              ElementsAre("1|10.50|2022-05-12|day/sales.csv|1|run-1|2022-05-12 00:00:00.000005+00",
                          "2|∅|∅|day/sales.csv|2|run-1|2022-05-12 00:00:00.000005+00"));
  const auto info = parquet::read_info(store("raw/sales"), raw.object_name);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->footer.at("weir.token"), op.token);
  EXPECT_EQ(info->footer.at("weir.as_of"), "2022-05-12T00:00:00Z");
  EXPECT_EQ(info->footer.at("weir.identity"), identity);
  EXPECT_EQ(info->footer.at("weir.source_sha256"), op.inputs[0].objects[0].sha256);
  EXPECT_EQ(info->footer.at("weir.run"), "run-1");
  EXPECT_EQ(info->footer.at("weir.canonical"), "1");
  EXPECT_EQ(info->footer.at("weir.schema"), dump_json(model::to_json(op.target.schema)));
  EXPECT_FALSE(info->footer.contains("weir.rejected"));
  EXPECT_EQ(outcome->counts, (model::Counts{.in = 2, .inserted = 2, .out = 2}));
  EXPECT_EQ(objects_in("raw/sales__rejected"), 0u);
}

TEST_F(IngestFiles, EveryRecordIsLoadedOrRefusedWithItsReason) {
  const auto op = operation(
      "id,amount,at\n"
      "1,1.5,2022-05-12T10:00:00Z\n"
      "2,ten,2022-05-12T10:00:00Z\n"
      "3,1.005,2022-05-12T10:00:00Z\n"
      "4,123456789012,2022-05-12T10:00:00Z\n"
      "5,1,2022-05-12T10:00:00.1234567Z\n"
      "6,1,2022-02-30T10:00:00Z\n"
      "99999999999999999999,1,2022-05-12T10:00:00Z\n"
      "8,1\n"
      "9,1,2022-05-12T10:00:00+02:00\n",
      "id bigint;amount decimal(10,2);at timestamp");
  const auto outcome = run(op);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  ASSERT_EQ(outcome->publications.size(), 2u);
  EXPECT_EQ(outcome->publications[0].dataset.text(), "raw.sales__rejected");
  EXPECT_EQ(outcome->publications[1].dataset.text(), "raw.sales");
  EXPECT_EQ(outcome->counts, (model::Counts{.in = 9, .inserted = 2, .rejected = 7, .out = 2}));
  EXPECT_THAT(rows_of("raw/sales", outcome->publications[1], "id, amount, \"at\", _source_row"),
              ElementsAre("1|1.50|2022-05-12 10:00:00+00|1", "9|1.00|2022-05-12 08:00:00+00|9"));
  EXPECT_THAT(
      rows_of("raw/sales__rejected", outcome->publications[0],
              "line, reason, \"column\", message FROM (FROM read_parquet('" +
                  *store("raw/sales__rejected").engine_uri(outcome->publications[0].object_name) +
                  "') ORDER BY line) --"),
      ElementsAre("3|wrong_type|amount|\"ten\" is no decimal(10,2)",
                  "4|scale_overflow|amount|\"1.005\" has more digits after the point than "
                  "decimal(10,2) keeps",
                  "5|out_of_range|amount|\"123456789012\" does not fit decimal(10,2)",
                  "6|finer_than_microsecond|at|\"2022-05-12T10:00:00.1234567Z\" is finer than a "
                  "microsecond",
                  "7|wrong_type|at|\"2022-02-30T10:00:00Z\" is no timestamp",
                  "8|out_of_range|id|\"99999999999999999999\" does not fit bigint",
                  "9|too_few_fields|∅|2 fields, expected 3"));
  const auto text = *store("landing").read("day/sales.csv", storage::Range::all());
  const auto bytes = rows_of("raw/sales__rejected", outcome->publications[0],
                             "byte_offset, byte_length, decode(raw)");
  ASSERT_EQ(bytes.size(), 7u);
  for (const std::string& row : bytes) {
    const size_t first = row.find('|');
    const size_t second = row.find('|', first + 1);
    EXPECT_EQ(text.substr(std::stoul(row), std::stoul(row.substr(first + 1))),
              row.substr(second + 1));
  }
  EXPECT_THAT(rows_of("raw/sales__rejected", outcome->publications[0],
                      "DISTINCT source_file, source_sha256, as_of, _run_id"),
              ElementsAre("day/sales.csv|" + op.inputs[0].objects[0].sha256 +
                          "|2022-05-12 00:00:00+00|run-1"));
}

TEST_F(IngestFiles, TheSameTokenAgainChangesNothingAndTellsTheSame) {
  const auto op = operation("id\n1\nx\n", "id bigint");
  const auto first = run(op);
  ASSERT_TRUE(first) << to_line(first.error());
  auto again = op;
  again.origin.run_id = "run-2";
  const auto second = run(again);
  ASSERT_TRUE(second) << to_line(second.error());
  EXPECT_TRUE(second->was_already_done);
  auto told = model::to_json(*second);
  told["was_already_done"] = false;
  EXPECT_EQ(told, model::to_json(*first));
  EXPECT_EQ(objects_in("raw/sales"), 1u);
}

TEST_F(IngestFiles, TheSameNameUnderAnotherTokenIsAConflict) {
  const auto op = operation("id\n1\n", "id bigint");
  ASSERT_TRUE(run(op));
  auto other = op;
  other.target.schema = schema_of("id varchar");
  other.token = std::string(64, 'e');
  const auto outcome = run(other);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kConflict);
}

TEST_F(IngestFiles, SumsOfControlColumnsCloseWithWhatIsRejected) {
  // 1: loaded; 2: NULL; 3: no number, adds nothing; 4: a number in a row with another fault; 5: too
  // fine for the column, so its number is rejected; 6: a cell is missing.
  auto op =
      operation("id;amount\n1;10,50\n2;\n3;ten\nx;3,25\n5;1,005\n6\n7;-0,50\n",
                "id bigint;amount decimal(10,2)", {{"delimiter", ";"}, {"decimal_separator", ","}});
  op.target.options = {{"control_columns", {"amount"}}};
  EXPECT_EQ(model::token_of(op), op.token) << "what is proved is no part of what is loaded";
  const auto outcome = run(op);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  const Json amount = outcome->details["sums"]["columns"]["amount"];
  EXPECT_EQ(amount["in"], Json({{"sum", "14.255"}, {"values", 4}}));
  EXPECT_EQ(amount["inserted"], Json({{"sum", "10"}, {"values", 2}}));
  EXPECT_EQ(amount["rejected"], Json({{"sum", "4.255"}, {"values", 2}}));
  EXPECT_EQ(amount["out"], amount["inserted"]);
  EXPECT_EQ(outcome->publications.back().sums, outcome->details["sums"]);
}

TEST_F(IngestFiles, WithoutControlColumnsNothingIsAddedUp) {
  const auto outcome = run(operation("id\n1\n", "id bigint"));
  ASSERT_TRUE(outcome);
  EXPECT_FALSE(outcome->details.contains("sums"));
}

TEST_F(IngestFiles, ControlColumnThatDoesNotAddUpExactlyIsRefused) {
  auto op = operation("id,rate\n1,0.5\n", "id bigint;rate double");
  op.target.options = {{"control_columns", {"rate"}}};
  const auto outcome = run(op);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(objects_in("raw/sales"), 0u);
}

TEST_F(IngestFiles, ObjectThatHoldsAnotherSumThanItsFooterIsNoSuccess) {
  auto op = operation("id,amount\n1,10.50\n2,1.00\n", "id bigint;amount decimal(10,2)");
  op.target.options = {{"control_columns", {"amount"}}};
  const auto first = run(op);
  ASSERT_TRUE(first) << to_line(first.error());
  // One value is another, the footer is the same.
  const auto& name = first->publications[0].object_name;
  const auto info = parquet::read_info(store("raw/sales"), name);
  auto session = *sql::open_session({.temp_folder = root_ / "temp"}, cancel_);
  auto reader = *session->stream(fmt::format(
      "SELECT id, CAST(CASE id WHEN 2 THEN 2 ELSE amount END AS DECIMAL(10,2)) AS amount FROM "
      "read_parquet({})",
      model::quote_text(*store("raw/sales").engine_uri(name))));
  auto file = *parquet::create_file(store("raw/sales"), name, reader->schema(), {});
  while (auto batch = *reader->next()) ASSERT_TRUE(file->write(*batch));
  auto footer = info->footer;
  footer.erase("ARROW:schema");
  ASSERT_TRUE(file->commit(footer, storage::Put::kReplace));
  const auto second = run(op);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(second.error().message, HasSubstr("holds 12.5 in control column 'amount'"));
}

TEST_F(IngestFiles, AnAttemptThatDiedBetweenTheTwoObjectsIsFinishedByTheNext) {
  const auto op = operation("id\n1\nx\n", "id bigint");
  const auto first = run(op);
  ASSERT_TRUE(first);
  ASSERT_TRUE(store("raw/sales").remove(first->publications[1].object_name));
  auto again = op;
  again.origin.run_id = "run-2";
  const auto second = run(again);
  ASSERT_TRUE(second) << to_line(second.error());
  EXPECT_FALSE(second->was_already_done);
  EXPECT_EQ(second->publications[0].sha256, first->publications[0].sha256);
  EXPECT_EQ(objects_in("raw/sales__rejected"), 1u);
}

TEST_F(IngestFiles, BytesThatAreNotThePinnedOnesPublishNothing) {
  auto op = operation("id\n1\nx\n", "id bigint");
  op.inputs[0].objects[0].sha256 = std::string(64, '0');
  const auto changed = run(op);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(changed.error().message, HasSubstr(sha256_hex("id\n1\nx\n")));
  op.inputs[0].objects[0].size_bytes = 5;
  EXPECT_EQ(run(op).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(objects_in("raw/sales") + objects_in("raw/sales__rejected"), 0u);
}

TEST_F(IngestFiles, TooManyRefusedRowsPublishNothing) {
  auto op = operation("id\n1\nx\ny\n2\n", "id bigint");
  op.params["max_rejected_percent"] = 40;
  const auto percent = run(op);
  ASSERT_FALSE(percent);
  EXPECT_EQ(percent.error().code, ErrorCode::kCheckFailed);
  EXPECT_THAT(percent.error().message, HasSubstr("2 of 4 records"));
  op.params["max_rejected_percent"] = 50;
  op.params["max_rejected_rows"] = 1;
  EXPECT_EQ(run(op).error().code, ErrorCode::kCheckFailed);
  op.params["max_rejected_rows"] = 2;
  op.target.contract.rows = model::RowPolicy::kFail;
  EXPECT_EQ(run(op).error().code, ErrorCode::kInvalidData);
  EXPECT_EQ(objects_in("raw/sales") + objects_in("raw/sales__rejected"), 0u);
  op.target.contract.rows = model::RowPolicy::kQuarantine;
  EXPECT_TRUE(run(op));
}

TEST_F(IngestFiles, AHeaderWithoutRowsIsAnEmptyObject) {
  const auto outcome = run(operation("id,name\n", "id bigint;name varchar"));
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->publications[0].rows, 0);
  EXPECT_TRUE(rows_of("raw/sales", outcome->publications[0], "*").empty());
  EXPECT_EQ(run(operation("", "id bigint")).error().code, ErrorCode::kInvalidData);
}

TEST_F(IngestFiles, NewAndMissingColumnsFollowTheContract) {
  const auto op = operation("name,extra,id\nann,x,1\n", "id bigint;name varchar;gone date");
  const auto outcome = run(op);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_THAT(rows_of("raw/sales", outcome->publications[0], "id, name, gone, extra"),
              ElementsAre("1|ann|∅|x"));
  EXPECT_EQ(outcome->details["new_columns"], Json::array({"extra"}));
  EXPECT_EQ(outcome->details["missing_columns"], Json::array({"gone"}));
  EXPECT_EQ(outcome->warnings.size(), 2u);
  auto frozen = op;
  frozen.target.contract.columns = model::ColumnPolicy::kFreeze;
  frozen.token = std::string(64, 'f');
  frozen.params["input_identity"] = std::string(64, 'f');
  const auto refused = run(frozen);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kSchemaDrift);
}

TEST_F(IngestFiles, WithoutDeclaredColumnsTypesComeFromTheWholeFile) {
  std::string text = "code,id,day\n";
  for (int i = 1; i <= 50'000; ++i) text += fmt::format("{:05},{},2022-05-12\n", i, i);
  const auto outcome = run(operation(text, ""));
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_EQ(outcome->publications[0].schema,
            model::to_json(schema_of("code varchar;id bigint;day date")));
  EXPECT_EQ(outcome->counts.out, 50'000);
  EXPECT_THAT(rows_of("raw/sales", outcome->publications[0],
                      "count(*), sum(id), min(code), count(*) FILTER (id <> _source_row)"),
              ElementsAre("50000|1250025000|00001|0"));
}

TEST_F(IngestFiles, LocalTimesAreReadInTheDeclaredZone) {
  const auto op = operation(
      "at\n2022-07-01 12:00:00\n2022-01-01 12:00:00\n2022-03-27 02:30:00\n2022-10-30 02:30:00\n"
      "2022-07-01 12:00:00+00:00\n2022-07-01\n",
      "at timestamp", {{"timezone", "Europe/Berlin"}});
  const auto outcome = run(op);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_THAT(
      rows_of("raw/sales", outcome->publications[1], "\"at\""),
      ElementsAre("2022-07-01 10:00:00+00", "2022-01-01 11:00:00+00", "2022-10-30 00:30:00+00",
                  "2022-07-01 12:00:00+00", "2022-06-30 22:00:00+00"));
  EXPECT_THAT(rows_of("raw/sales__rejected", outcome->publications[0], "reason, line"),
              ElementsAre("nonexistent_time|4"));
  auto wrong = operation("at\n2022-07-01 12:00:00\n", "at timestamp", {{"timezone", "Mars"}});
  EXPECT_EQ(run(wrong).error().code, ErrorCode::kInvalidConfig);
}

TEST_F(IngestFiles, EachTypeIsReadAsWritten) {
  const auto op = operation(
      "a,b,c,d,e,f,g,h,i\n"
      "7.0,2.50,-1.25e2,true,10:30:00.5,550e8400-e29b-41d4-a716-446655440000,1e3,"
      "170141183460469231,"
      "2022/5/2\n",
      "a integer;b decimal(5,1);c double;d boolean;e time;f uuid;g decimal(6,0);h hugeint;i date");
  const auto outcome = run(op);
  ASSERT_TRUE(outcome) << to_line(outcome.error());
  EXPECT_THAT(rows_of("raw/sales", outcome->publications.back(), "a,b,c,d,e,f,g,h,i"),
              ElementsAre("7|2.5|-125.0|true|10:30:00.5|550e8400-e29b-41d4-a716-446655440000|1000|"
                          "170141183460469231|2022-05-02"));
}

// Random files with planted faults against what the planter knows.
TEST_F(IngestFiles, PlantedFaultsAreFoundAndNothingElse) {
  for (uint32_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    std::string text = "id,amount,name\r\n";
    std::map<int64_t, std::string> faults;  // line → reason
    std::map<int64_t, std::string> good;    // record → row
    int64_t line = 2;
    for (int64_t record = 1; record <= 3000; ++record) {
      const std::string id = std::to_string(random() % 100'000);
      const std::string amount = fmt::format("{}.{:02}", random() % 1000, random() % 100);
      const bool is_quoted = random() % 3 == 0;
      const std::string inner = is_quoted && random() % 4 == 0 ? "\n" : ",";
      const std::string name =
          is_quoted ? "n" + inner + "\"x" : "név" + std::to_string(random() % 9);
      const std::string written = is_quoted ? "\"n" + inner + "\"\"x\"" : name;
      const auto fault = random() % 40;
      int64_t lines = inner == "\n" && is_quoted ? 2 : 1;
      if (fault == 0) {
        text += id + "," + amount;
        faults[line] = "too_few_fields";
        lines = 1;
      } else if (fault == 1) {
        text += id + "," + amount + "," + written + ",";
        faults[line] = "too_many_fields";
      } else if (fault == 2) {
        text += id + "x," + amount + "," + written;
        faults[line] = "wrong_type";
      } else if (fault == 3) {
        text += id + "," + amount + "5," + written;
        // A last digit of zero would be no overflow; this one is five.
        faults[line] = "scale_overflow";
      } else if (fault == 4) {
        text += "9223372036854775808," + amount + "," + written;
        faults[line] = "out_of_range";
      } else if (fault == 5) {
        text += id + "," + amount + ",a\xFF";
        faults[line] = "invalid_utf8";
        lines = 1;
      } else {
        text += id + "," + amount + "," + written;
        good[record] = id + "|" + amount + "|" + name;
      }
      text += random() % 2 == 0 ? "\r\n" : "\n";
      line += lines;
    }
    auto op = operation(text, "id bigint;amount decimal(10,2);name varchar");
    const auto outcome = run(op);
    ASSERT_TRUE(outcome) << to_line(outcome.error());
    EXPECT_EQ(outcome->counts.in, 3000);
    const auto rows =
        rows_of("raw/sales", outcome->publications.back(), "_source_row, id, amount, name");
    ASSERT_EQ(rows.size(), good.size());
    size_t i = 0;
    for (const auto& [record, row] : good) EXPECT_EQ(rows[i++], fmt::format("{}|{}", record, row));
    std::map<int64_t, std::string> told;
    for (const auto& row :
         rows_of("raw/sales__rejected", outcome->publications[0], "line, reason")) {
      told[std::stoll(row)] = row.substr(row.find('|') + 1);
    }
    EXPECT_EQ(told, faults);
  }
}

TEST_F(IngestFiles, ACancelledRunPublishesNothing) {
  const auto op = operation("id\n1\n", "id bigint");
  cancel_.cancel("enough");
  const auto outcome = run(op);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(objects_in("raw/sales"), 0u);
}

}  // namespace
}  // namespace weir::engine::embedded
