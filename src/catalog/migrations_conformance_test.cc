#include "catalog/conformance.h"
#include "catalog/migrations/migrations.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;

/// A place whose schema stands at an older version.
Status migrate_to(Place& place, size_t steps, Clock& clock) {
  auto dialect = place.is_postgres() ? make_postgres_dialect(place.url(), 5'000)
                                     : Result<std::unique_ptr<Dialect>>(
                                           make_sqlite_dialect(place.url().substr(7), true, 5'000));
  if (!dialect) return std::unexpected(dialect.error());
  Database database(*std::move(dialect), nullptr);
  return migrate(database, all_migrations().first(steps), true, clock);
}

TEST_P(Conformance, EveryOlderVersionComesUpWithItsRows) {
  const auto newest = place_->tables();
  for (size_t steps = 1; steps <= all_migrations().size(); ++steps) {
    SCOPED_TRACE(steps);
    const auto old = GetParam().make();
    ASSERT_OK(migrate_to(*old, steps, clock_));
    ASSERT_EQ(old->query("SELECT max(version) AS value FROM schema_migration"),
              std::to_string(all_migrations()[steps - 1].version));
    ASSERT_OK(old->run_sql("INSERT INTO flow (flow_id, owner) VALUES ('airports', 'ann')"));
    const auto catalog = open_catalog_with({.url = old->url(), .base_folder = ""}, clock_, nullptr);
    ASSERT_OK(catalog);
    const auto loaded = (*catalog)->load_configuration();
    ASSERT_OK(loaded);
    EXPECT_EQ(loaded->find_flow("airports")->owner, "ann");
    EXPECT_THAT(old->tables(), ::testing::UnorderedElementsAreArray(newest));
    ASSERT_OK((*catalog)->start_run(monday_run(), {waiting_task(monday_run())}));
  }
}

TEST_P(Conformance, BrokenMigrationLeavesTheVersionBeforeIt) {
  const auto old = GetParam().make();
  ASSERT_OK(migrate_to(*old, 1, clock_));
  auto dialect = old->is_postgres() ? make_postgres_dialect(old->url(), 5'000)
                                    : Result<std::unique_ptr<Dialect>>(
                                          make_sqlite_dialect(old->url().substr(7), true, 5'000));
  Database database(*std::move(dialect), nullptr);
  const Migration steps[] = {
      all_migrations()[0],
      {2, "broken", "CREATE TABLE half (x TEXT);\nCREATE TABLE half (x TEXT);\n"}};
  const auto status = migrate(database, steps, true, clock_);
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(to_line(status.error()), HasSubstr("version 2 (broken)"));
  EXPECT_EQ(old->query("SELECT max(version) AS value FROM schema_migration"), "1");
  EXPECT_THAT(old->tables(), ::testing::Not(::testing::Contains("half")));
}

TEST_P(Conformance, ProcessesThatMigrateAtOnceAllSucceed) {
  const auto fresh = GetParam().make();
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t pid = fork();
    if (pid == 0)
      _exit(open_catalog_with({.url = fresh->url(), .base_folder = ""}, clock_, nullptr) ? 0 : 1);
    children.push_back(pid);
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(fresh->query("SELECT count(*) AS value FROM schema_migration"),
            std::to_string(all_migrations().size()));
}

TEST(Migrations, CountUpWithoutGaps) {
  int64_t expected = 0;
  for (const Migration& migration : all_migrations())
    EXPECT_EQ(migration.version, ++expected) << migration.name;
}

}  // namespace
}  // namespace weir::catalog
