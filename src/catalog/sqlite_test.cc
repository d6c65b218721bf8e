#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::HasSubstr;

/// A folder of the test's own, and catalogs in it.
class SqliteFile : public ::testing::Test {
 protected:
  SqliteFile() {
    char folder[] = "/tmp/weir-sqlite-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~SqliteFile() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<Catalog>> open(bool may_create = true) {
    return open_catalog_with({.url = "sqlite:weir.db",
                              .base_folder = folder_,
                              .may_create = may_create,
                              .busy_timeout_ms = 100},
                             clock_, nullptr);
  }
  std::string path() const { return folder_ + "/weir.db"; }
  Status sql(const std::string& text) {
    Database database(make_sqlite_dialect(path(), true, 100), nullptr);
    return database.write([&](Session& session) -> Status {
      WEIR_TRY(session.execute(text));
      return {};
    });
  }

  FakeClock clock_;
  std::string folder_;
};

TEST_F(SqliteFile, ItsFolderIsMadeWithIt) {
  const CatalogOptions options{.url = "sqlite:data/deep/weir.db", .base_folder = folder_};
  ASSERT_TRUE(open_catalog_with(options, clock_, nullptr));
  EXPECT_TRUE(std::filesystem::exists(folder_ + "/data/deep/weir.db"));
  CatalogOptions reader = options;
  reader.url = "sqlite:other/weir.db";
  reader.may_create = false;
  EXPECT_EQ(open_catalog_with(reader, clock_, nullptr).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/other"));
}

TEST_F(SqliteFile, RelativePathCountsFromTheBaseFolder) {
  const auto catalog = open();
  ASSERT_OK(catalog);
  EXPECT_EQ((*catalog)->url(), "sqlite:" + path());
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(SqliteFile, MissingFileIsNotFoundWhereItMayNotBeCreated) {
  const auto catalog = open(false);
  EXPECT_FAILS(ErrorCode::kNotFound, catalog);
  EXPECT_THAT(catalog.error().hint, HasSubstr("weir apply"));
  EXPECT_FALSE(std::filesystem::exists(path()));
}

TEST_F(SqliteFile, FileWithoutWeirsTablesIsNotFoundWhereItMayNotBeCreated) {
  ASSERT_OK(sql("CREATE TABLE mine (x TEXT)"));
  EXPECT_FAILS(ErrorCode::kNotFound, open(false));
  EXPECT_OK(open());
  EXPECT_OK(open(false));
}

TEST_F(SqliteFile, MissingFolderIsMadeForANewCatalogAlone) {
  folder_ += "/nowhere";
  EXPECT_FAILS(ErrorCode::kNotFound, open(false));
  EXPECT_FALSE(std::filesystem::exists(folder_));
  EXPECT_OK(open());
  EXPECT_TRUE(std::filesystem::exists(path()));
  folder_ = std::filesystem::path(folder_).parent_path();
}

TEST_F(SqliteFile, FolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_ + "/file") << "in the way";
  folder_ += "/file/folder";
  const auto catalog = open();
  ASSERT_FALSE(catalog.has_value());
  EXPECT_THAT(catalog.error().message, HasSubstr(path()));
  EXPECT_THAT(catalog.error().hint, HasSubstr("folder"));
  folder_ = std::filesystem::path(folder_).parent_path().parent_path();
}

TEST_F(SqliteFile, FileThatIsNoDatabaseIsCorrupt) {
  std::ofstream(path()) << std::string(4096, 'x');
  const auto catalog = open();
  EXPECT_FAILS(ErrorCode::kCorrupt, catalog);
  EXPECT_THAT(catalog.error().message, HasSubstr(path()));
}

TEST_F(SqliteFile, DamagedPagesAreCorruptAndNamed) {
  ASSERT_OK(open());
  const auto size = std::filesystem::file_size(path());
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(size - 4096, '\x5a');
  file.close();
  const auto catalog = open();
  const auto rows = catalog ? (*catalog)->config_rows() : std::unexpected(catalog.error());
  EXPECT_FAILS(ErrorCode::kCorrupt, rows);
  EXPECT_THAT(rows.error().message, HasSubstr(path()));
}

TEST_F(SqliteFile, LockOfAnotherProcessIsUnavailableAndNamesTheFile) {
  const auto catalog = open();
  ASSERT_OK(catalog);
  Database other(make_sqlite_dialect(path(), true, 100), nullptr);
  ASSERT_OK(other.write([&](Session&) -> Status {
    const auto blocked = (*catalog)->audit("ann", "x", {});
    EXPECT_FALSE(blocked.has_value());
    EXPECT_EQ(blocked.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(blocked.error().message, HasSubstr(path()));
    EXPECT_OK((*catalog)->load_configuration()) << "readers do not wait";
    return {};
  }));
  EXPECT_OK((*catalog)->audit("ann", "x", {}));
}

TEST_F(SqliteFile, NewerSchemaIsRefusedUntouched) {
  ASSERT_OK(open());
  ASSERT_OK(sql("INSERT INTO schema_migration VALUES (999, 'future', 1)"));
  const auto catalog = open();
  EXPECT_FAILS(ErrorCode::kUnsupported, catalog);
  EXPECT_THAT(catalog.error().message, HasSubstr("999"));
}

TEST_F(SqliteFile, WordInANumberColumnIsRefused) {
  ASSERT_OK(open());
  const auto status = sql("INSERT INTO flow (flow_id, max_active_runs) VALUES ('f', 'many')");
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message, HasSubstr("flow.max_active_runs is a whole number"));
  EXPECT_FALSE(sql("INSERT INTO flow (flow_id, is_enabled) VALUES ('f', 'yes')").has_value());
}

TEST_F(SqliteFile, ReferenceThatTheShellDidNotCheckIsNamed) {
  const auto catalog = open();
  ASSERT_OK(catalog);
  // The sqlite3 shell has foreign keys off; this is what it lets in.
  {
    soci::session shell("sqlite3", path());
    shell << "INSERT INTO task (flow_id, task_id, template_id) VALUES ('gone', 't', 'x')";
  }
  const auto loaded = (*catalog)->load_configuration();
  EXPECT_FAILS(ErrorCode::kInvalidConfig, loaded);
  EXPECT_THAT(loaded.error().message,
              HasSubstr("table 'task', row 'gone/t', column 'flow_id': there is no flow 'gone'"));
}

TEST_F(SqliteFile, StateThatDoesNotReadBackIsCorruptAndNamed) {
  const auto catalog = open();
  ASSERT_OK((*catalog)->start_run(monday_run(), {}));
  {
    soci::session shell("sqlite3", path());
    shell << "PRAGMA ignore_check_constraints=ON";
    shell << "UPDATE flow_run SET logical_time_us = 'noon'";
  }
  const auto run = (*catalog)->flow_run("run-monday");
  EXPECT_FAILS(ErrorCode::kCorrupt, run);
  EXPECT_THAT(run.error().message, HasSubstr("table 'flow_run', row 'run-monday', column "
                                             "'logical_time_us': 'noon' is no whole number"));
}

TEST_F(SqliteFile, ReadOnlyFileIsDeniedOnWriting) {
  if (getuid() == 0) GTEST_SKIP() << "root may write everything";
  ASSERT_OK(open());
  chmod(path().c_str(), 0444);
  const auto catalog = open(false);
  EXPECT_FAILS(ErrorCode::kDenied, catalog ? (*catalog)->audit("ann", "x", {})
                                           : Status(std::unexpected(catalog.error())));
}

TEST_F(SqliteFile, ProcessesThatCreateOneCatalogAtOnceAllOpenIt) {
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      const auto catalog =
          open_catalog_with({.url = "sqlite:weir.db", .base_folder = folder_}, clock_, nullptr);
      _exit(catalog && (*catalog)->audit("child", "x", {}) ? 0 : 1);
    }
    children.push_back(pid);
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
}

TEST(OpenCatalog, UnknownKindAndPathsThatCannotBeAreRefused) {
  FakeClock clock;
  for (const char* url :
       {"mysql://user:secret@host/x", "weir.db", "", "sqlite:", "sqlite::memory:", "sqlite:a\"b"}) {
    const auto catalog = open_catalog_with({.url = url, .base_folder = ""}, clock, nullptr);
    ASSERT_FALSE(catalog.has_value()) << url;
    EXPECT_EQ(catalog.error().code, ErrorCode::kInvalidConfig) << url;
    EXPECT_THAT(to_line(catalog.error()), ::testing::Not(HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace weir::catalog
