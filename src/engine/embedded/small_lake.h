#pragma once

/// For tests of executors: a lake in a folder of its own, with objects made from SQL, and
/// operations over them. The clock stands still.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/digest.h"
#include "engine/engine.h"
#include "parquet/parquet.h"
#include "sql/session.h"
#include "table/hudi.h"

namespace weir::engine::embedded {

class StandingClock final : public Clock {
 public:
  int64_t now_us() override { return now += 1000; }
  int64_t monotonic_us() override { return now += 60'000'000; }
  int64_t now = 1'795'392'000'000'000;  // 2026-11-23T00:00:00Z
};

class SmallLake : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "weir-lake-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    stores_ = storage::make_local_stores(folder_);
    random_ = make_system_random();
    log_ = make_no_log();
    context_ = {.stores = stores_.get(),
                .clock = &clock_,
                .random = random_.get(),
                .log = log_.get(),
                .cancel = &cancel_,
                .on_progress = {}};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  storage::Storage& store(const std::string& uri) { return **stores_->open(uri); }

  /// An object with the rows of that query, as it would be pinned.
  model::PinnedObject object(const std::string& uri, const std::string& name,
                             const std::string& query) {
    auto session = sql::open_session({}, cancel_);
    EXPECT_TRUE(session) << to_line(session.error());
    auto reader = (*session)->stream(query);
    EXPECT_TRUE(reader) << to_line(reader.error());
    auto file = parquet::create_file(store(uri), name, (*reader)->schema(), {});
    EXPECT_TRUE(file) << to_line(file.error());
    while (auto batch = *(*reader)->next()) EXPECT_TRUE((*file)->write(*batch));
    const auto written = (*file)->commit({}, storage::Put::kReplace);
    EXPECT_TRUE(written) << to_line(written.error());
    return {.uri = uri,
            .name = name,
            .size_bytes = written->size_bytes,
            .sha256 = written->sha256,
            .as_of_us = {},
            .rows = written->rows};
  }

  model::PinnedInput input(const std::string& dataset, const std::string& query) {
    model::PinnedInput pinned;
    pinned.dataset = *model::parse_dataset_name(dataset);
    pinned.format = "parquet";
    pinned.uri = folder_ + "/" + dataset;
    pinned.objects = {object(pinned.uri, "part.parquet", query)};
    return pinned;
  }

  model::Operation operation(model::OperationKind kind, std::vector<model::PinnedInput> inputs) {
    model::Operation made;
    made.kind = kind;
    made.inputs = std::move(inputs);
    made.token = sha256_hex(fmt::format("token {}", ++operations_));
    made.limits.threads = 2;
    made.limits.temp_folder = folder_ + "/tmp";
    made.origin = {.flow_id = "f",
                   .task_id = "t",
                   .run_id = "r-1",
                   .attempt = 1,
                   .logical_time_us = 1'652'313'600'000'000};
    return made;
  }

  /// Rows of a query in a session of its own, as `a|b`.
  std::vector<std::string> rows(const std::string& query) {
    auto session = sql::open_session({}, cancel_);
    const auto result = (*session)->query(query);
    EXPECT_TRUE(result) << to_line(result.error());
    std::vector<std::string> lines;
    if (!result) return lines;
    for (const auto& row : result->rows) {
      std::string line;
      for (size_t i = 0; i < row.size(); ++i) line += (i == 0 ? "" : "|") + row[i].value_or("NULL");
      lines.push_back(line);
    }
    return lines;
  }

  table::TableContext table_context(const std::string& uri) {
    return {.store = &store(uri), .clock = &clock_, .random = random_.get()};
  }

  /// `read_parquet([…])` over the table's newest version.
  std::string newest(const std::string& uri) {
    const auto table = table::open_table(table_context(uri));
    EXPECT_TRUE(table) << to_line(table.error());
    const auto snapshot = (*table)->snapshot();
    EXPECT_TRUE(snapshot) << to_line(snapshot.error());
    std::vector<std::string> files;
    for (const auto& slice : snapshot->slices)
      files.push_back("'" + *store(uri).engine_uri(slice.name) + "'");
    return fmt::format("read_parquet([{}])", fmt::join(files, ", "));
  }

  std::string folder_;
  StandingClock clock_;
  Cancel cancel_;
  std::unique_ptr<storage::Stores> stores_;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Log> log_;
  Context context_;
  int operations_ = 0;
};

}  // namespace weir::engine::embedded
