/// The conformance suite, and what else only a real server shows, on OpenSSH's sshd. Skipped with a
/// line where it is not installed.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include <gmock/gmock.h>

#include "base/digest.h"
#include "storage/conformance.h"
#include "storage/moving.h"
#include "storage/sftp.h"
#include "testing/sftp_server.h"

namespace weir::storage {
namespace {

using ::testing::HasSubstr;
using testing::SftpServer;

namespace fs = std::filesystem;

/// The server of this test program, started when it is first needed.
class TheServer final : public ::testing::Environment {
 public:
  /// Nothing where its program is not there.
  SftpServer* get() {
    if (std::exchange(was_tried_, true)) return running_.get();
    auto started = testing::start_sftp_server();
    if (started)
      running_ = std::move(*started);
    else
      std::cout << "SKIPPED: " << to_line(started.error()) << '\n' << std::flush;
    EXPECT_TRUE(started || started.error().code == ErrorCode::kNotFound)
        << to_line(started.error());
    return running_.get();
  }
  void TearDown() override { running_.reset(); }

 private:
  bool was_tried_ = false;
  std::unique_ptr<SftpServer> running_;
};

SftpServer* server() {
  static auto* const kServer =
      static_cast<TheServer*>(::testing::AddGlobalTestEnvironment(new TheServer));
  return kServer->get();
}

class FixedLogins final : public SftpLogins {
 public:
  explicit FixedLogins(SftpLogin login) : login_(std::move(login)) {}
  Result<SftpLogin> get(const Cancel& /*cancel*/) override {
    ++asked;
    return login_;
  }
  void forget() override { ++forgotten; }
  int asked = 0;
  int forgotten = 0;

 private:
  SftpLogin login_;
};

/// Does something at one of the moments in which a store looks at the time: as it waits.
class WatchedClock final : public Clock {
 public:
  int64_t now_us() override { return inner_->now_us(); }
  int64_t monotonic_us() override {
    if (looks_left > 0 && --looks_left == 0) then();
    return inner_->monotonic_us();
  }
  int looks_left = 0;
  std::function<void()> then;

 private:
  std::unique_ptr<Clock> inner_ = make_system_clock();
};

/// A store in a folder of the server, and what it works with.
class ServedStorage final : public Storage, public Mover {
 public:
  explicit ServedStorage(SftpServer& server, std::string_view below = "")
      : options_(trusting(server)), logins_({.private_key = server.private_key()}) {
    folder_ = *server.make_folder();
    open(server, below);
  }
  static SftpOptions trusting(const SftpServer& server) {
    SftpOptions options;
    options.user = server.user();
    options.host_keys = {server.fingerprint()};
    options.backoff = {.first_ms = 5, .most_ms = 50};
    return options;
  }
  void open(const SftpServer& server, std::string_view below = "") {
    auto made = make_sftp_storage(
        fmt::format("sftp://127.0.0.1:{}{}{}", server.port(), folder_, below), options_,
        {.logins = &logins_,
         .clock = &clock,
         .random = random_.get(),
         .wait = net::make_wait(),
         .cancel = &cancel});
    ASSERT_TRUE(made) << to_line(made.error());
    store_ = std::move(*made);
  }
  const std::string& folder() const { return folder_; }
  SftpOptions& options() { return options_; }
  FixedLogins& logins() { return logins_; }

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
  Result<bool> move(std::string_view from, std::string_view to) override {
    WEIR_TRY(move_object(*store_, from, to));
    return true;
  }
  Result<std::string> engine_uri(std::string_view name) const override {
    return store_->engine_uri(name);
  }
  const std::string& uri() const override { return store_->uri(); }

  Cancel cancel;
  WatchedClock clock;

 private:
  SftpOptions options_;
  FixedLogins logins_;
  std::string folder_;
  std::unique_ptr<Random> random_ = make_system_random();
  std::unique_ptr<Storage> store_;
};

std::unique_ptr<Storage> served() {
  if (server() == nullptr) return nullptr;
  return std::make_unique<ServedStorage>(*server(), "/of/weir");
}

INSTANTIATE_TEST_SUITE_P(Sftp, Conformance, ::testing::Values(served));

class Sftp : public ::testing::Test {
 protected:
  void SetUp() override {
    if (server() == nullptr) GTEST_SKIP() << "openssh-server is not installed";
    store = std::make_unique<ServedStorage>(*server());
  }
  std::string path(std::string_view name) const {
    return fmt::format("{}/{}", store->folder(), name);
  }
  void put_file(std::string_view name, std::string_view bytes) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name)) << bytes;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& each : fs::recursive_directory_iterator(store->folder()))
      if (!each.is_directory()) found.push_back(each.path().filename().string());
    return found;
  }
  std::unique_ptr<ServedStorage> store;
};

TEST_F(Sftp, OpenSshPromisesAtomicPutsOfBothKinds) {
  const auto promised = store->capabilities();
  EXPECT_TRUE(promised.atomic_put);
  EXPECT_TRUE(promised.put_if_absent);
  EXPECT_FALSE(promised.put_if_version);
  EXPECT_FALSE(promised.readable_by_engine);
}

TEST_F(Sftp, AnUnknownHostIsRefusedWithWhatToWrite) {
  store->options().host_keys.clear();
  store->open(*server());
  const auto entry = store->stat("a");
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, ErrorCode::kDenied);
  EXPECT_THAT(entry.error().message, HasSubstr(server()->fingerprint()));
  EXPECT_THAT(entry.error().hint, HasSubstr("host_key: " + server()->fingerprint()));
}

TEST_F(Sftp, AnotherHostKeyIsRefusedLoudly) {
  store->options().host_keys = {"SHA256:" + std::string(43, 'A')};
  store->open(*server());
  const auto entry = store->stat("a");
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, ErrorCode::kDenied);
  EXPECT_THAT(entry.error().message, HasSubstr("THE HOST KEY OF"));
  EXPECT_THAT(entry.error().message, HasSubstr(server()->fingerprint()));
}

TEST_F(Sftp, OneOfSeveralPinnedKeysIsEnough) {
  store->options().host_keys.insert(store->options().host_keys.begin(),
                                    "SHA256:" + std::string(43, 'A'));
  store->open(*server());
  EXPECT_EQ(store->stat("a").error().code, ErrorCode::kNotFound);
}

TEST_F(Sftp, ALoginThatIsNotTakenIsAskedForAgainOnce) {
  const auto bad = testing::start_sftp_server();  // its user key is another one
  ASSERT_TRUE(bad) << to_line(bad.error());
  store->options().host_keys = {(*bad)->fingerprint()};
  store->open(**bad);
  const auto entry = store->stat("a");
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, ErrorCode::kDenied);
  EXPECT_THAT(entry.error().message, HasSubstr("it refused the private key"));
  EXPECT_EQ(store->logins().forgotten, 1);
  EXPECT_EQ(store->logins().asked, 2);
}

TEST_F(Sftp, AReadGoesOnWhereTheConnectionBroke) {
  std::string bytes;
  for (int i = 0; bytes.size() < (size_t{24} << 20); ++i) bytes += fmt::format("{:08}\n", i);
  put_file("large", bytes);
  std::atomic<bool> is_over = false;
  int drops = 0;
  std::jthread saboteur([&] {
    while (!is_over) {
      if (server()->connections() == 0) continue;
      std::this_thread::yield();
      server()->drop_connections();
      if (++drops == 3) return;
    }
  });
  const auto read = store->read("large", Range::all());
  is_over = true;
  saboteur.join();
  ASSERT_TRUE(read) << to_line(read.error());
  EXPECT_EQ(sha256_hex(*read), sha256_hex(bytes));
}

TEST_F(Sftp, AFileThatIsAnotherOneAfterTheConnectionBrokeIsNotReadOn) {
  constexpr size_t kSize = size_t{12} << 20;
  put_file("large", std::string(kSize, 'a'));
  ASSERT_TRUE(store->stat("large"));
  store->clock.then = [&] {
    server()->drop_connections();
    put_file("large", std::string(kSize, 'b'));
    fs::last_write_time(path("large"), fs::file_time_type::clock::now() - std::chrono::hours(1));
  };
  store->clock.looks_left = 60;  // the file is open by then, and some of it is read
  const auto read = store->read("large", Range::all());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kConflict) << to_line(read.error());
  EXPECT_THAT(read.error().message, HasSubstr("changed while it was read"));
}

TEST_F(Sftp, AWriteGoesOnWhereTheConnectionBroke) {
  const auto writer = store->create("folder/large");
  ASSERT_TRUE(writer);
  std::string bytes;
  for (int i = 0; i < 24; ++i) {
    const std::string piece((size_t{1} << 20) - 7, static_cast<char>('a' + i));
    bytes += piece;
    if (i % 6 == 5) server()->drop_connections();
    const auto appended = (*writer)->append(piece);
    ASSERT_TRUE(appended) << to_line(appended.error());
  }
  server()->drop_connections();
  const auto written = (*writer)->commit(Put::kIfAbsent);
  ASSERT_TRUE(written) << to_line(written.error());
  EXPECT_EQ(written->sha256, sha256_hex(bytes));
  EXPECT_EQ(digest_of(*store, "folder/large")->sha256, written->sha256);
  EXPECT_THAT(files(), ::testing::ElementsAre("large"));
}

TEST_F(Sftp, LinksAreFollowedBelowTheRootAlone) {
  put_file("real/a.csv", "inside");
  std::ofstream(path("../secret")) << "outside";
  fs::create_symlink("real/a.csv", path("link.csv"));
  fs::create_symlink("../secret", path("out.csv"));
  fs::create_directory_symlink("..", path("up"));
  fs::create_symlink("nowhere", path("dangling"));
  fs::create_symlink("loop", path("loop"));
  EXPECT_EQ(*store->read("link.csv", Range::all()), "inside");
  for (const std::string_view name : {"out.csv", "up/secret"}) {
    const auto read = store->read(name, Range::all());
    ASSERT_FALSE(read) << name;
    EXPECT_EQ(read.error().code, ErrorCode::kDenied) << to_line(read.error());
    EXPECT_THAT(read.error().message, HasSubstr("leads out"));
  }
  const auto written = put(*store, "up/new", "x", Put::kReplace);
  EXPECT_TRUE(!written && written.error().code == ErrorCode::kDenied);
  const auto removed = store->remove("up/secret");
  EXPECT_TRUE(!removed && removed.error().code == ErrorCode::kDenied);
  EXPECT_TRUE(fs::exists(path("../secret")));
  const auto dangling = store->stat("dangling");
  EXPECT_TRUE(!dangling && dangling.error().code == ErrorCode::kNotFound);
  const auto listed = list_all(*store, "");
  ASSERT_TRUE(listed) << to_line(listed.error());
  std::vector<std::string> names;
  for (const auto& each : *listed) names.push_back(each.name);
  EXPECT_THAT(names, ::testing::Contains("link.csv"));
  EXPECT_THAT(names, ::testing::Contains("out.csv"));
  EXPECT_THAT(names, ::testing::Not(::testing::Contains("up/secret")));
}

TEST_F(Sftp, ACancelEndsAReadAndLeavesNothingHalf) {
  put_file("a", "x");
  const auto writer = store->create("b");
  ASSERT_TRUE(writer && (*writer)->append(std::string(size_t{3} << 20, 'x')));
  store->cancel.cancel("enough");
  const auto read = store->read("a", Range::all());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kCancelled);
  (*writer)->abort();
  EXPECT_THAT(files(), ::testing::ElementsAre("a"));
}

TEST_F(Sftp, AServerThatStandsStillIsUnavailableAtTheDeadlines) {
  store->options().connect_timeout_ms = store->options().stall_timeout_ms = 300;
  store->options().max_tries = 2;
  store->open(*server());
  put_file("a", "x");
  ASSERT_TRUE(store->stat("a"));
  server()->stand_still();
  const auto entry = store->stat("a");
  const auto written = put(*store, "b", std::string(size_t{8} << 20, 'x'), Put::kReplace);
  server()->go_on();
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(entry.error().message, HasSubstr("does not answer"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(store->stat("a"));
}

TEST_F(Sftp, NobodyThereIsUnavailableAfterTheTries) {
  store->options().max_tries = 2;
  {
    const auto gone = testing::start_sftp_server();
    ASSERT_TRUE(gone);
    store->open(**gone);
  }
  const auto entry = store->stat("a");
  ASSERT_FALSE(entry);
  EXPECT_EQ(entry.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(entry.error().message, HasSubstr("127.0.0.1:"));
}

}  // namespace
}  // namespace weir::storage
