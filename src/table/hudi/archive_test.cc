#include "table/hudi/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "parquet/parquet.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/test_table.h"

namespace weir::table {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Lake {
  Lake() {
    put("20260101000000001.commit.requested", "");
    put("20260101000000001.inflight", R"({"extraMetadata": {"weir.token": "one"}})");
    put("20260101000000001.commit", R"({"extraMetadata": {"weir.token": "one"}})");
    put("20260101000000002.clean.requested", std::string("plan\0\xff", 6));
    put("20260101000000002.clean", std::string("done\0\xff", 6));
    put("20260101000000003.replacecommit", "");
  }
  void put(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(storage::put(*store, ".hoodie/" + name, bytes, storage::Put::kReplace));
  }
  static std::vector<InstantFiles> instants() {
    const std::string folder = ".hoodie/2026010100000000";
    return {{"20260101000000001", "commit", folder + "1.commit.requested", folder + "1.inflight",
             folder + "1.commit"},
            {"20260101000000002", "clean", folder + "2.clean.requested", "", folder + "2.clean"},
            {"20260101000000003", "replacecommit", "", "", folder + "3.replacecommit"}};
  }
  std::unique_ptr<storage::Storage> store = storage::make_memory_storage();
  Cancel cancel;
};

TEST(Archive, KeepsEveryByteOfWhatItTakes) {
  Lake lake;
  const auto name = put_archive(*lake.store, Lake::instants(), lake.cancel);
  ASSERT_TRUE(name) << to_line(name.error());
  EXPECT_EQ(*name, ".hoodie/.aux/weir-archive/20260101000000001_20260101000000003.parquet");
  const auto reader = parquet::open_file(*lake.store, *name).value();
  const auto rows = reader->read_row_group(0, {}).value();
  const auto text = [&](const char* column, int64_t row) -> std::optional<std::string> {
    const auto& array = static_cast<const arrow::BinaryArray&>(*rows->GetColumnByName(column));
    if (array.IsNull(row)) return std::nullopt;
    return array.GetString(row);
  };
  EXPECT_EQ(text("requested", 0), "");
  EXPECT_EQ(text("inflight", 0), R"({"extraMetadata": {"weir.token": "one"}})");
  EXPECT_EQ(text("requested", 1), std::string("plan\0\xff", 6));
  EXPECT_EQ(text("inflight", 1), std::nullopt);
  EXPECT_EQ(text("completed", 1), std::string("done\0\xff", 6));
  EXPECT_EQ(text("completed", 2), "");
}

TEST(Archive, FindsCommitsByTimeAndByToken) {
  Lake lake;
  ASSERT_TRUE(put_archive(*lake.store, Lake::instants(), lake.cancel));
  Archive archive;
  ASSERT_TRUE(archive.refresh(*lake.store));
  EXPECT_EQ(archive.last_time(), "20260101000000003");
  EXPECT_TRUE(archive.holds("20260101000000002", "clean"));
  EXPECT_FALSE(archive.holds("20260101000000002", "commit"));
  std::vector<std::string> files;
  for (const auto& commit : archive.commits()) files.push_back(commit.file);
  EXPECT_THAT(files, ElementsAre(".hoodie/20260101000000001.commit",
                                 ".hoodie/20260101000000003.replacecommit"));
  EXPECT_EQ(archive.find_token("one")->time, "20260101000000001");
  EXPECT_FALSE(archive.find_token("two"));
  EXPECT_FALSE(archive.find_commit("20260101000000002"));
  const auto texts = archive.read_around(*lake.store, "20260101000000003").value();
  EXPECT_EQ(texts.at(".hoodie/20260101000000001.commit"),
            R"({"extraMetadata": {"weir.token": "one"}})");
  EXPECT_EQ(texts.at(".hoodie/20260101000000003.replacecommit"), "");
}

TEST(Archive, OfManyInstantsIsReadInPieces) {
  Lake lake;
  std::vector<InstantFiles> instants;
  for (int i = 0; i < 300; ++i) {
    const std::string time = fmt::format("20260102000000{:03}", i);
    lake.put(time + ".commit", fmt::format(R"({{"extraMetadata": {{"weir.token": "t{}"}}}})", i));
    instants.push_back({time, "commit", "", "", ".hoodie/" + time + ".commit"});
  }
  const auto name = put_archive(*lake.store, instants, lake.cancel).value();
  EXPECT_EQ(parquet::read_info(*lake.store, name)->row_groups, 3);
  Archive archive;
  ASSERT_TRUE(archive.refresh(*lake.store));
  for (const auto& instant : instants) {
    const auto texts = archive.read_around(*lake.store, instant.time);
    ASSERT_TRUE(texts) << to_line(texts.error());
    EXPECT_EQ(texts->at(instant.completed),
              *lake.store->read(instant.completed, storage::Range::all()));
    EXPECT_LE(texts->size(), 128U);
  }
  EXPECT_EQ(archive.find_token("t299")->time, "20260102000000299");
}

TEST(Archive, IsNotPutOverAnother) {
  Lake lake;
  ASSERT_TRUE(put_archive(*lake.store, Lake::instants(), lake.cancel));
  const auto again = put_archive(*lake.store, Lake::instants(), lake.cancel);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
}

/// A store that damages what is put.
class LossyStorage final : public storage::Storage {
 public:
  explicit LossyStorage(storage::Storage& inner) : inner_(inner) {}
  storage::Capabilities capabilities() const override { return inner_.capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    auto bytes = inner_.read(name, range);
    if (bytes && name.ends_with(".parquet") && bytes->size() > 200) (*bytes)[100] ^= 1;
    return bytes;
  }
  Result<storage::Entry> stat(std::string_view name) override { return inner_.stat(name); }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    return inner_.create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return inner_.list(prefix, after);
  }
  Status remove(std::string_view name) override { return inner_.remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return inner_.engine_uri(name);
  }
  const std::string& uri() const override { return inner_.uri(); }

 private:
  storage::Storage& inner_;
};

TEST(Archive, IsReadBackBeforeItIsTrusted) {
  Lake lake;
  LossyStorage lossy(*lake.store);
  const auto put = put_archive(lossy, Lake::instants(), lake.cancel);
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, ErrorCode::kCorrupt) << to_line(put.error());
  EXPECT_THAT(storage::list_all(*lake.store, kArchiveFolder).value(), IsEmpty());
}

TEST(Archive, RefusesWhatItDoesNotUnderstand) {
  const auto refused = [](const std::map<std::string, std::string>& footer) {
    const auto store = storage::make_memory_storage();
    const auto schema = arrow::schema({arrow::field("time", arrow::utf8())});
    const auto writer =
        parquet::create_file(*store, std::string(kArchiveFolder) + "a_b.parquet", schema, {})
            .value();
    EXPECT_TRUE(writer->commit(footer, storage::Put::kIfAbsent));
    Archive archive;
    const Status read = archive.refresh(*store);
    EXPECT_FALSE(read);
    return read ? std::string() : to_line(read.error());
  };
  EXPECT_THAT(refused({}), HasSubstr("no archive of a timeline"));
  EXPECT_THAT(refused({{"weir.instants", "[]"}}), HasSubstr("does not name its instants"));
  EXPECT_THAT(refused({{"weir.instants", R"({"format": 1})"}}),
              HasSubstr("does not name its instants"));
  EXPECT_THAT(refused({{"weir.instants", R"({"format": 2})"}}), HasSubstr("a later weir"));
  EXPECT_THAT(refused({{"weir.instants", R"({"format": 1, "instants": [["2026"]]})"}}),
              HasSubstr("that is none"));
}

TEST(Archive, OfATableWithoutOneIsEmpty) {
  Archive archive;
  ASSERT_TRUE(archive.refresh(*storage::make_memory_storage()));
  EXPECT_EQ(archive.last_time(), "");
  EXPECT_THAT(archive.commits(), IsEmpty());
}

}  // namespace
}  // namespace weir::table
