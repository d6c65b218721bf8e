#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/embedded/small_lake.h"

namespace weir::engine::embedded {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

class EmbeddedEngine : public SmallLake {
 protected:
  std::unique_ptr<Engine> engine_ = make_embedded_engine();
};

TEST_F(EmbeddedEngine, SaysWhatItCanDo) {
  EXPECT_EQ(engine_->name(), "embedded");
  EXPECT_THAT(engine_->capabilities().kinds,
              UnorderedElementsAreArray(model::all_operation_kinds()));
  EXPECT_TRUE(engine_->capabilities().dialects.contains("duckdb"));
}

TEST_F(EmbeddedEngine, EveryKindReachesItsExecutor) {
  for (const auto kind : model::all_operation_kinds()) {
    // Without inputs and parameters none can succeed; each says so in its own words.
    const auto outcome = engine_->execute(operation(kind, {}), context_);
    ASSERT_FALSE(outcome) << model::to_text(kind);
    EXPECT_NE(outcome.error().code, ErrorCode::kUnsupported) << to_line(outcome.error());
  }
}

TEST_F(EmbeddedEngine, ChainFromStageToWarehouseRunsThroughIt) {
  auto by_country = operation(
      model::OperationKind::kTransform,
      {input("stage.airports", "FROM (VALUES ('EDDM', 'DE'), ('LIRF', 'IT')) t(icao, country)")});
  by_country.target.dataset = *model::parse_dataset_name("presentation.by_country");
  by_country.target.uri = folder_ + "/by_country";
  by_country.params = {
      {"sql", "SELECT country, count(*) AS airports FROM stage.airports GROUP BY ALL"}};
  const auto made = engine_->execute(by_country, context_);
  ASSERT_TRUE(made) << to_line(made.error());

  model::PinnedInput pinned;
  pinned.dataset = by_country.target.dataset;
  pinned.format = "hudi";
  pinned.uri = by_country.target.uri;
  pinned.instant = made->publications[0].instant;
  const auto table = table::open_table(table_context(pinned.uri));
  const auto snapshot = *(*table)->snapshot();
  pinned.schema = snapshot.schema;
  for (const auto& slice : snapshot.slices) {
    const auto digest = *storage::digest_of(store(pinned.uri), slice.name);
    pinned.objects.push_back({.uri = pinned.uri,
                              .name = slice.name,
                              .size_bytes = digest.size_bytes,
                              .sha256 = digest.sha256,
                              .as_of_us = {},
                              .rows = slice.rows});
  }
  auto rules = operation(model::OperationKind::kCheck, {pinned});
  rules.params = {{"rules", {{{"not_null", "country"}}, {{"unique", {"country"}}}}}};
  const auto checked = engine_->execute(rules, context_);
  ASSERT_TRUE(checked) << to_line(checked.error());

  auto load = operation(model::OperationKind::kLoadWarehouse, {pinned});
  load.target.connection_options = {{"path", folder_ + "/w.duckdb"}};
  load.target.table = "by_country";
  load.target.mode = model::WriteMode::kReplace;
  const auto loaded = engine_->execute(load, context_);
  ASSERT_TRUE(loaded) << to_line(loaded.error());
  EXPECT_EQ(loaded->counts, (model::Counts{.in = 2, .inserted = 2, .out = 2}));
}

TEST_F(EmbeddedEngine, CancelledTaskStartsNothing) {
  cancel_.cancel("ann stopped it");
  const auto outcome = engine_->execute(operation(model::OperationKind::kCheck, {}), context_);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kCancelled);
  EXPECT_THAT(outcome.error().message, HasSubstr("ann stopped it"));
}

}  // namespace
}  // namespace weir::engine::embedded
