#include "sql/object_files.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/user_query.h"

namespace weir::sql {
namespace {

using ::testing::HasSubstr;

/// A store that DuckDB cannot open, with a count of what is read from it.
class Counting final : public storage::Storage {
 public:
  std::optional<Error> failure;  ///< Of every read.
  std::atomic<int64_t> bytes_read = 0;
  std::atomic<int64_t> looks = 0;

  storage::Capabilities capabilities() const override { return inner_->capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    if (failure) return std::unexpected(*failure);
    auto bytes = inner_->read(name, range);
    if (bytes) bytes_read += static_cast<int64_t>(bytes->size());
    return bytes;
  }
  Result<storage::Entry> stat(std::string_view name) override {
    ++looks;
    return inner_->stat(name);
  }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    return inner_->create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return inner_->list(prefix, after);
  }
  Status remove(std::string_view name) override { return inner_->remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return inner_->engine_uri(name);
  }
  const std::string& uri() const override { return inner_->uri(); }

 private:
  std::unique_ptr<storage::Storage> inner_ = storage::make_memory_storage();
};

class ObjectFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto session = open_session({.threads = 2, .objects = objects_}, cancel_);
    ASSERT_TRUE(session) << to_line(session.error());
    session_ = *std::move(session);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// A Parquet object with the rows of a query.
  void put_rows(const std::string& name, const std::string& query, const std::string& more = "") {
    const std::string path = folder_ + "/rows.parquet";
    ASSERT_TRUE(
        session_->run(fmt::format("COPY ({}) TO '{}' (FORMAT parquet{})", query, path, more)));
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    size_bytes_ = static_cast<int64_t>(bytes.size());
    ASSERT_TRUE(storage::put(store_, name, bytes, storage::Put::kReplace));
  }
  std::string path_of(const std::string& name) {
    const auto path = objects_->path_of(store_, name);
    EXPECT_TRUE(path) << to_line(path.error());
    return path.value_or("");
  }
  std::string rows_of(const std::string& path) {
    return fmt::format("read_parquet({})", model::quote_text(path));
  }

  std::string folder_;
  Cancel cancel_;
  Counting store_;
  int64_t size_bytes_ = 0;
  std::shared_ptr<ObjectFiles> objects_ = std::make_shared<ObjectFiles>();
  std::unique_ptr<Session> session_;
};

constexpr const char* kWide =
    "SELECT i AS id, hash(i) AS a, hash(i + 1) AS b, hash(i + 2) AS c, hash(i + 3) AS d, "
    "hash(i + 4) AS e, hash(i + 5) AS f, hash(i + 6) AS g FROM range(200000) t(i)";

TEST_F(ObjectFilesTest, OfAQueryThatNeedsOneColumnTheOthersAreNotRead) {
  put_rows("stage/t/wide.parquet", kWide);
  const std::string rows = rows_of(path_of("stage/t/wide.parquet"));
  EXPECT_EQ(session_->query_number("SELECT sum(id) FROM " + rows).value(), 19'999'900'000);
  EXPECT_GT(size_bytes_, 10'000'000);
  EXPECT_LT(store_.bytes_read, size_bytes_ / 5);
  // The whole is right, too, from many threads.
  const auto whole = session_->query(
      fmt::format("SELECT count(*) FROM (SELECT * FROM {} EXCEPT ALL {})", rows, kWide));
  ASSERT_TRUE(whole) << to_line(whole.error());
  EXPECT_EQ(whole->rows.at(0).at(0), "0");
}

TEST_F(ObjectFilesTest, OfAQueryForFewRowsOtherRowGroupsAreNotRead) {
  put_rows("t.parquet", kWide, ", ROW_GROUP_SIZE 10000");
  const std::string rows = rows_of(path_of("t.parquet"));
  EXPECT_EQ(session_->query_number("SELECT count(g) FROM " + rows + " WHERE id = 77777").value(),
            1);
  EXPECT_LT(store_.bytes_read, size_bytes_ / 5);
}

TEST_F(ObjectFilesTest, ColumnOfManyMegabytesIsReadInItsOrder) {
  // One chunk of 24 MB, which no codec makes less: it is read in pieces.
  const std::string query = "SELECT i AS id, hash(i) AS a FROM range(3000000) t(i)";
  put_rows("t.parquet", query, ", ROW_GROUP_SIZE 3000000, COMPRESSION uncompressed");
  const std::string rows = rows_of(path_of("t.parquet"));
  EXPECT_EQ(session_->query_number(fmt::format("SELECT count(*) FROM {} WHERE a = hash(id)", rows))
                .value(),
            3'000'000);
}

TEST_F(ObjectFilesTest, UriOfANumberAndAnotherNameIsNone) {
  put_rows("a.parquet", "SELECT 1 AS x");
  const std::string uri = path_of("a.parquet");
  ASSERT_TRUE(objects_->find(uri));
  for (const auto& other :
       {uri + "x", uri.substr(0, uri.rfind('/') + 1) + "b.parquet", uri.substr(0, uri.rfind('/'))})
    EXPECT_FALSE(objects_->find(other)) << other;
}

TEST_F(ObjectFilesTest, AnObjectIsLookedAtOnce) {
  put_rows("t.parquet", "SELECT 1 AS a");
  const std::string path = path_of("t.parquet");
  EXPECT_EQ(path_of("t.parquet"), path);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(session_->query("SELECT * FROM " + rows_of(path)));
  EXPECT_EQ(store_.looks, 1);
  const auto none = objects_->path_of(store_, "other");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
}

TEST_F(ObjectFilesTest, NameIsNoPatternNoPartitionAndNoText) {
  std::string all;
  for (const std::string name : {"a*b?[c].parquet", "year=2026/x.parquet", "it's \"q\".parquet",
                                 "Ünï/日本.parquet", "%41", "x.parquet.gz", "new\nline"}) {
    put_rows(name, fmt::format("SELECT {} AS n", name.size()));
    const auto found = session_->query("SELECT * FROM " + rows_of(path_of(name)));
    ASSERT_TRUE(found) << name << to_line(found.error());
    EXPECT_THAT(found->names, ::testing::ElementsAre("n")) << name;
    EXPECT_EQ(found->rows.at(0).at(0), std::to_string(name.size()));
  }
}

TEST_F(ObjectFilesTest, LocalFilesKeepTheirPath) {
  const auto local = storage::make_local_storage(folder_, folder_);
  ASSERT_TRUE(storage::put(*local, "t.parquet", "x", storage::Put::kReplace));
  EXPECT_EQ(objects_->path_of(*local, "t.parquet").value(), folder_ + "/t.parquet");
  // DuckDB would take this one for a pattern.
  ASSERT_TRUE(storage::put(*local, "t*.parquet", "x", storage::Put::kReplace));
  EXPECT_THAT(objects_->path_of(*local, "t*.parquet").value(),
              ::testing::StartsWith(kObjectScheme));
}

TEST_F(ObjectFilesTest, ALockedSessionOpensWhatItMayAndNothingElse) {
  put_rows("mine.parquet", "SELECT 1 AS a");
  put_rows("other.parquet", "SELECT 2 AS a");
  const std::string mine = path_of("mine.parquet");
  const std::string other = path_of("other.parquet");
  ASSERT_TRUE(session_->lock({mine}));
  EXPECT_EQ(session_->query_number("SELECT a FROM " + rows_of(mine)).value(), 1);
  for (const std::string& path :
       {other, std::string("weir-object:7/none.parquet"), std::string("weir-object:0/x"),
        std::string("weir-object:*"), std::string("weir-object:0/../1/other.parquet"),
        std::string("/etc/passwd")}) {
    const auto found = session_->query("SELECT * FROM " + rows_of(path));
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().code, ErrorCode::kDenied) << to_line(found.error());
  }
  const auto before = store_.read("mine.parquet", storage::Range::all());
  for (const char* options : {"", ", USE_TMP_FILE false"})
    EXPECT_FALSE(session_->run(
        fmt::format("COPY (SELECT 3 AS a) TO '{}' (FORMAT parquet{})", mine, options)));
  EXPECT_EQ(store_.read("mine.parquet", storage::Range::all()).value(), before.value());
}

TEST_F(ObjectFilesTest, WhatWasNeverNamedIsNotThere) {
  put_rows("mine.parquet", "SELECT 1 AS a");
  for (const std::string path : {"weir-object:0/mine.parquet", "weir-object:", "weir-object:x"}) {
    const auto found = session_->query("SELECT * FROM " + rows_of(path));
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().code, ErrorCode::kUnavailable) << to_line(found.error());
  }
}

TEST_F(ObjectFilesTest, UsersSqlReadsThemThroughItsViews) {
  put_rows("t.parquet", "SELECT 1 AS a, 'x' AS b");
  const auto objects = std::make_shared<ObjectFiles>();
  const ViewSource view{.dataset = {"stage", "t"},
                        .files = {objects->path_of(store_, "t.parquet").value()},
                        .schema = {{"a", {model::TypeKind::kInteger, 0, 0, {}}, true}}};
  auto session = open_user_session({.threads = 1, .objects = objects}, {view}, cancel_);
  ASSERT_TRUE(session) << to_line(session.error());
  EXPECT_EQ((*session)->query_number("SELECT a FROM stage.t").value(), 1);
}

TEST_F(ObjectFilesTest, FailureOfTheStoreIsTheOneThatIsTold) {
  put_rows("t.parquet", "SELECT 1 AS a");
  const std::string rows = rows_of(path_of("t.parquet"));
  for (const auto code : {ErrorCode::kDenied, ErrorCode::kUnavailable, ErrorCode::kNotFound}) {
    store_.failure = Error{code, "no key for 't' [really] | %s", {"reading"}, "ask ann", {}};
    const auto found = session_->query("SELECT * FROM " + rows);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, code) << to_line(found.error());
    EXPECT_EQ(found.error().message, "no key for 't' [really] | %s, while reading");
    EXPECT_EQ(found.error().hint, "ask ann");
  }
}

TEST_F(ObjectFilesTest, ObjectThatBecameShorterIsCorrupt) {
  put_rows("t.parquet", kWide);
  const std::string rows = rows_of(path_of("t.parquet"));
  ASSERT_TRUE(storage::put(store_, "t.parquet", "PAR1 and no more", storage::Put::kReplace));
  const auto found = session_->query("SELECT sum(id) FROM " + rows);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kCorrupt) << to_line(found.error());
  EXPECT_THAT(found.error().message, HasSubstr("t.parquet"));
}

}  // namespace
}  // namespace weir::sql
