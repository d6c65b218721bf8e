/// The conformance suite, and what else only a real server shows, on versitygw and on MinIO.
/// Skipped with a line where a server's program is not there: `./dev standins` builds the first,
/// with
/// `--all` the second.

#include <iostream>
#include <thread>

#include <gmock/gmock.h>

#include "base/digest.h"
#include "base/ids.h"
#include "storage/conformance.h"
#include "storage/moving.h"
#include "storage/read_through.h"
#include "storage/s3.h"
#include "testing/s3_server.h"

namespace weir::storage {
namespace {

using testing::S3Kind;
using testing::S3Server;

/// The servers of this test program, each started when it is first needed.
class Servers final : public ::testing::Environment {
 public:
  /// Nothing where its program is not there.
  S3Server* get(S3Kind kind) {
    auto& server = kind == S3Kind::kMinio ? minio_ : versitygw_;
    if (!server.was_tried) {
      server.was_tried = true;
      auto started = testing::start_s3_server(kind);
      if (started)
        server.running = std::move(*started);
      else
        std::cout << "SKIPPED: " << to_line(started.error()) << '\n' << std::flush;
      EXPECT_TRUE(started || started.error().code == ErrorCode::kNotFound)
          << to_line(started.error());
    }
    return server.running.get();
  }
  void TearDown() override {
    versitygw_.running.reset();
    minio_.running.reset();
  }

 private:
  struct Slot {
    bool was_tried = false;
    std::unique_ptr<S3Server> running;
  };
  Slot versitygw_;
  Slot minio_;
};

Servers& servers() {
  static auto* const kServers =
      static_cast<Servers*>(::testing::AddGlobalTestEnvironment(new Servers));
  return *kServers;
}

/// A store in a bucket of its own, and what it works with.
class ServedStorage final : public Storage, public Copier, public Streamer {
 public:
  ServedStorage(const S3Server& server, const std::string& uri, S3Options options)
      : keys_(testing::keys_of(server)) {
    options.endpoint = server.endpoint();
    // Reads and writes in pieces too small for real use, so that every test has several.
    options.read_piece_bytes = 100'000;
    options.part_bytes = int64_t{5} << 20;
    options.copy_part_bytes = int64_t{5} << 20;
    auto made = make_s3_storage(uri, options, ground());
    EXPECT_TRUE(made) << to_line(made.error());
    store_ = std::move(*made);
  }
  S3Ground ground() {
    return {.http = http_.get(),
            .credentials = keys_.get(),
            .clock = clock_.get(),
            .random = random_.get(),
            .wait = net::make_wait(),
            .cancel = &never_};
  }
  Capabilities capabilities() const override { return store_->capabilities(); }
  Result<std::string> read(std::string_view name, Range range) override {
    return store_->read(name, range);
  }
  Result<Entry> stat(std::string_view name) override { return store_->stat(name); }
  Result<std::unique_ptr<Writer>> create(std::string_view name) override {
    return store_->create(name);
  }
  Result<Page> list(std::string_view prefix, std::string_view after) override {
    return store_->list(prefix, after);
  }
  Status remove(std::string_view name) override { return store_->remove(name); }
  Status remove_all(std::span<const std::string> names) override {
    return store_->remove_all(names);
  }
  Result<std::string> engine_uri(std::string_view name) const override {
    return store_->engine_uri(name);
  }
  Result<std::optional<Written>> copy_here(Storage& source, const Entry& entry, std::string_view to,
                                           Put mode) override {
    return dynamic_cast<Copier&>(*store_).copy_here(*dynamic_cast<ServedStorage&>(source).store_,
                                                    entry, to, mode);
  }
  Status stream(const Entry& entry, Range range,
                const std::function<Status(std::string_view)>& take) override {
    return dynamic_cast<Streamer&>(*store_).stream(entry, range, take);
  }
  const std::string& uri() const override { return store_->uri(); }

 private:
  std::unique_ptr<net::CredentialSource> keys_;
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Random> random_ = make_system_random();
  std::unique_ptr<net::Http> http_ = *net::make_http({}, net::Reach::anywhere());
  Cancel never_;
  std::unique_ptr<Storage> store_;
};

/// At the root of a bucket, or below a prefix with characters that URLs need encoded.
std::unique_ptr<ServedStorage> served(S3Kind kind, std::string_view prefix,
                                      const S3Options& options = {}) {
  S3Server* const server = servers().get(kind);
  if (server == nullptr) return nullptr;
  const auto bucket = server->create_bucket();
  EXPECT_TRUE(bucket) << to_line(bucket.error());
  return std::make_unique<ServedStorage>(*server, fmt::format("s3://{}{}", *bucket, prefix),
                                         options);
}

class S3 : public ::testing::TestWithParam<S3Kind> {
 protected:
  void SetUp() override {
    store_ = served(GetParam(), "/lake");
    if (store_ == nullptr) GTEST_SKIP() << "the server is not built";
  }
  std::unique_ptr<ServedStorage> store_;
};

TEST_P(S3, ObjectOfSeveralPartsIsOneObject) {
  std::string bytes;
  for (int i = 0; bytes.size() < (size_t{18} << 20); ++i) bytes += fmt::format("{},", i);
  for (const Put mode : {Put::kIfAbsent, Put::kReplace}) {
    const auto writer = store_->create("large");
    ASSERT_TRUE(writer);
    for (size_t at = 0; at < bytes.size(); at += 1'000'003)
      ASSERT_TRUE((*writer)->append(std::string_view(bytes).substr(at, 1'000'003)));
    const auto written = (*writer)->commit(mode);
    ASSERT_TRUE(written) << to_line(written.error());
    EXPECT_EQ(written->sha256, sha256_hex(bytes));
  }
  EXPECT_TRUE(*store_->read("large", Range::all()) == bytes);
  EXPECT_EQ(digest_of(*store_, "large")->sha256, sha256_hex(bytes)) << "as it comes, in ranges";
  EXPECT_EQ(*store_->read("large", {7'000'000, 9}), bytes.substr(7'000'000, 9));
}

TEST_P(S3, LargeObjectIfAbsentLosesToOneThatIsThere) {
  ASSERT_TRUE(put(*store_, "k", "first", Put::kReplace));
  const auto second = put(*store_, "k", std::string(size_t{6} << 20, 'x'), Put::kIfAbsent);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists) << to_line(second.error());
  EXPECT_EQ(*store_->read("k", Range::all()), "first");
}

TEST_P(S3, LargeObjectReplacesTheVersionThatWasSeen) {
  ASSERT_TRUE(put(*store_, "k", "first", Put::kReplace));
  const std::string first = store_->stat("k")->version;
  const std::string large(size_t{6} << 20, 'x');
  const auto replaced = put_if_version(*store_, "k", large, first);
  ASSERT_TRUE(replaced) << to_line(replaced.error());
  EXPECT_EQ(store_->stat("k")->size_bytes, static_cast<int64_t>(large.size()));
  const auto late = put_if_version(*store_, "k", large, first);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict) << to_line(late.error());
}

TEST_P(S3, ServerCopiesFromAnotherBucketByItself) {
  const auto source = served(GetParam(), "/in é");
  ASSERT_NE(source, nullptr);
  for (const size_t size : {size_t{1}, size_t{12'000'000}}) {
    std::string bytes(size, 'x');
    bytes.back() = 'y';
    const std::string name = fmt::format("a+b %/{}", size);
    ASSERT_TRUE(put(*source, name, bytes, Put::kReplace));
    const auto copied = store_->copy_here(*source, *source->stat(name), name, Put::kIfAbsent);
    ASSERT_TRUE(copied) << to_line(copied.error());
    ASSERT_TRUE(*copied) << "by reading and writing";
    EXPECT_TRUE(*store_->read(name, Range::all()) == bytes);
    const auto taken = store_->copy_here(*source, *source->stat(name), name, Put::kIfAbsent);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::kAlreadyExists) << to_line(taken.error());
    Entry older = *source->stat(name);
    older.version = "0123456789abcdef0123456789abcdef";
    const auto changed = store_->copy_here(*source, older, "other", Put::kIfAbsent);
    ASSERT_FALSE(changed);
    EXPECT_EQ(changed.error().code, ErrorCode::kUnavailable) << to_line(changed.error());
    EXPECT_FALSE(store_->stat("other"));
  }
  // A move within the bucket goes the same way.
  ASSERT_TRUE(move_object(*source, "a+b %/1", "done/1"));
  EXPECT_EQ(*source->read("done/1", Range::all()), "y");
  EXPECT_FALSE(source->stat("a+b %/1"));
}

TEST_P(S3, ListingIsWholeOverManyPages) {
  constexpr int kObjects = 1100;  // a page has 1000
  std::vector<std::jthread> writers;
  for (int thread = 0; thread < 4; ++thread)
    writers.emplace_back([&, thread] {
      for (int i = thread; i < kObjects; i += 4)
        EXPECT_TRUE(put(*store_, fmt::format("many/{:05}", i), "", Put::kReplace));
    });
  writers.clear();
  const auto first = store_->list("many/", "");
  ASSERT_TRUE(first) << to_line(first.error());
  EXPECT_FALSE(first->is_last);
  const auto all = list_all(*store_, "many/");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), static_cast<size_t>(kObjects));
  EXPECT_EQ(all->back().name, fmt::format("many/{:05}", kObjects - 1));
}

TEST_P(S3, BucketThatIsNotThereIsNamed) {
  const auto ground = store_->ground();
  S3Options options;
  options.endpoint = servers().get(GetParam())->endpoint();
  const auto store = make_s3_storage("s3://weir-nowhere/lake", options, ground);
  ASSERT_TRUE(store);
  for (const auto& error :
       {(*store)->read("k", Range::all()).error(), (*store)->list("", "").error(),
        put(**store, "k", "x", Put::kIfAbsent).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kInvalidConfig) << to_line(error);
    EXPECT_THAT(to_line(error), ::testing::HasSubstr("s3://weir-nowhere"));
  }
}

std::unique_ptr<Storage> on_versitygw() { return served(S3Kind::kVersitygw, ""); }
std::unique_ptr<Storage> on_versitygw_below_a_prefix() {
  return served(S3Kind::kVersitygw, "/la ke/+=%41:é");
}
std::unique_ptr<Storage> on_minio() { return served(S3Kind::kMinio, "/lake"); }

INSTANTIATE_TEST_SUITE_P(Servers, S3, ::testing::Values(S3Kind::kVersitygw, S3Kind::kMinio),
                         [](const auto& of) {
                           return of.param == S3Kind::kMinio ? "Minio" : "Versitygw";
                         });
INSTANTIATE_TEST_SUITE_P(S3Versitygw, Conformance, ::testing::Values(on_versitygw));
INSTANTIATE_TEST_SUITE_P(S3BelowAPrefix, Conformance,
                         ::testing::Values(on_versitygw_below_a_prefix));
INSTANTIATE_TEST_SUITE_P(S3Minio, Conformance, ::testing::Values(on_minio));

}  // namespace
}  // namespace weir::storage
