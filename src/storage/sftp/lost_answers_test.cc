/// Every request of a write is lost once before it acts, and once its answer after it acted, on a
/// real sshd: what was promised of the object holds all the same. And what a server that keeps to
/// no protocol does to a session.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include <gmock/gmock.h>

#include "storage/sftp/ssh_channel.h"
#include "storage/sftp/writer.h"
#include "testing/sftp_server.h"

namespace weir::storage::sftp {
namespace {

namespace fs = std::filesystem;

enum class Loss { kOfTheRequest, kOfTheAnswer };

struct Fault {
  Loss loss = Loss::kOfTheRequest;
  int at = 0;  ///< Which request, from 1.
  int seen = 0;
  bool was_met() const { return seen >= at; }
};

class FaultyChannel final : public Channel {
 public:
  FaultyChannel(std::unique_ptr<Channel> inner, Fault& fault)
      : inner_(std::move(inner)), fault_(fault) {}

  Status send(std::string_view bytes) override {
    if (is_dead_) return dead();
    const bool is_met = ++fault_.seen == fault_.at;
    if (!is_met) return inner_->send(bytes);
    is_dead_ = true;
    if (fault_.loss == Loss::kOfTheRequest) return dead();
    WEIR_TRY(inner_->send(bytes));
    WEIR_TRY(inner_->receive());  // it has acted by now
    return {};
  }
  Result<std::string> receive() override {
    if (is_dead_) return dead();
    return inner_->receive();
  }
  void tidy_up() override { inner_->tidy_up(); }

 private:
  static std::unexpected<Error> dead() {
    return fail(ErrorCode::kUnavailable, "the cable is pulled out");
  }
  std::unique_ptr<Channel> inner_;
  Fault& fault_;
  bool is_dead_ = false;
};

class NoLogins final : public SftpLogins {
 public:
  Result<SftpLogin> get(const Cancel& /*cancel*/) override { return SftpLogin{}; }
  void forget() override {}
};

class LostAnswers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = testing::start_sftp_server();
    if (started)
      server = std::move(*started);
    else
      std::cout << "SKIPPED: " << to_line(started.error()) << '\n' << std::flush;
  }
  static void TearDownTestSuite() { server.reset(); }
  void SetUp() override {
    if (server == nullptr) GTEST_SKIP() << "openssh-server is not installed";
    options.user = server->user();
    options.host_keys = {server->fingerprint()};
    options.backoff = {.first_ms = 1, .most_ms = 1};
    ground = {.logins = &logins,
              .clock = clock.get(),
              .random = random.get(),
              .wait = net::make_wait(),
              .cancel = &never};
  }

  /// Writes `bytes` as `k` into `folder`, where one request fails.
  Result<Written> write(const std::string& folder, std::string_view bytes, Put mode, Fault& fault) {
    const auto address =
        Address::parse(fmt::format("sftp://127.0.0.1:{}{}", server->port(), folder));
    const SftpLogin login{.private_key = server->private_key()};
    Connection connection(
        [&]() -> Result<std::unique_ptr<Channel>> {
          WEIR_ASSIGN(auto channel, dial(*address, options, login, ground));
          return std::make_unique<FaultyChannel>(std::move(channel), fault);
        },
        address->root, options, ground);
    SftpWriter writer(connection, "sub/k", ".weir-tmp-1");
    WEIR_TRY(writer.append(bytes));
    return writer.commit(mode);
  }

  static std::string text_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  /// One case after another, until the fault lies behind the last request.
  void sweep(Put mode, const char* before, const std::optional<ErrorCode>& expected) {
    for (const Loss loss : {Loss::kOfTheRequest, Loss::kOfTheAnswer}) {
      for (int at = 1;; ++at) {
        SCOPED_TRACE(fmt::format("request {}, loss {}", at, static_cast<int>(loss)));
        const auto folder = server->make_folder();
        ASSERT_TRUE(folder);
        fs::create_directories(*folder + "/sub");
        if (before != nullptr) std::ofstream(*folder + "/sub/k") << before;
        Fault fault{loss, at};
        const auto written = write(*folder, "bytes", mode, fault);
        if (expected) {
          ASSERT_FALSE(written);
          EXPECT_EQ(written.error().code, *expected) << to_line(written.error());
        } else {
          ASSERT_TRUE(written) << to_line(written.error());
        }
        EXPECT_EQ(text_of(*folder + "/sub/k"), "bytes");
        if (!fault.was_met()) break;
        constexpr int kMostRequests = 60;
        ASSERT_LT(at, kMostRequests);
      }
    }
  }

  static inline std::unique_ptr<testing::SftpServer> server;
  SftpOptions options;
  NoLogins logins;
  std::unique_ptr<Clock> clock = make_system_clock();
  std::unique_ptr<Random> random = make_system_random();
  Cancel never;
  SftpGround ground;
};

TEST_F(LostAnswers, OfAFirstWriteItIsThereOnce) { sweep(Put::kIfAbsent, nullptr, std::nullopt); }

TEST_F(LostAnswers, OfAReplacementTheNewOneIsThere) { sweep(Put::kReplace, "other", std::nullopt); }

// The same bytes, size and second: only that it is another file tells that it is not ours.
TEST_F(LostAnswers, OfAWriteThatCameSecondTheFirstOneStays) {
  sweep(Put::kIfAbsent, "bytes", ErrorCode::kAlreadyExists);
}

/// Gives what it was told to, whatever it is asked.
class Scripted final : public Channel {
 public:
  explicit Scripted(std::vector<std::string> answers) : answers_(std::move(answers)) {}
  Status send(std::string_view /*bytes*/) override { return {}; }
  Result<std::string> receive() override {
    if (next_ == answers_.size()) return fail(ErrorCode::kUnavailable, "the connection ended");
    return answers_[next_++];
  }
  void tidy_up() override {}

 private:
  std::vector<std::string> answers_;
  size_t next_ = 0;
};

std::string packet(PacketWriter& made) { return std::move(made).finish(); }

std::string hello(uint32_t version = 3) {
  PacketWriter made(Type::kVersion);
  return packet(made.u32(version));
}

Result<std::unique_ptr<Session>> started(std::vector<std::string> answers) {
  answers.insert(answers.begin(), hello());
  return Session::start(std::make_unique<Scripted>(std::move(answers)));
}

std::string data(uint32_t id, std::string_view bytes) {
  PacketWriter made(Type::kData);
  return packet(made.u32(id).text(bytes));
}
std::string status(uint32_t id, Fx number) {
  PacketWriter made(Type::kStatus);
  return packet(made.u32(id).u32(static_cast<uint32_t>(number)).text("words").text(""));
}

TEST(SftpSession, ReadsAreInOrderThoughAnswersAreNotAndShortOnesAreCompleted) {
  constexpr size_t kPiece = size_t{32} << 10;
  const std::string first(kPiece, 'a');
  const std::string second(kPiece, 'b');
  const auto session = started({data(2, second), data(1, first.substr(0, 10)), status(3, Fx::kEof),
                                data(4, first.substr(10))});
  ASSERT_TRUE(session);
  std::string bytes;
  const auto read = (*session)->read("handle", 0, 3 * kPiece, bytes);
  ASSERT_TRUE(read) << to_line(read.error());
  EXPECT_EQ(bytes, first + second);
}

TEST(SftpSession, AnswersInPiecesAreWaitedFor) {
  const std::string whole = data(1, "bytes") + status(2, Fx::kEof);
  std::vector<std::string> pieces;
  for (const char c : whole) pieces.emplace_back(1, c);
  const auto session = started(std::move(pieces));
  ASSERT_TRUE(session);
  std::string bytes;
  ASSERT_TRUE((*session)->read("handle", 0, 10, bytes));
  EXPECT_EQ(bytes, "bytes");
}

TEST(SftpSession, WhatAServerRefusesHasItsCode) {
  for (const auto& [number, code] : {std::pair{Fx::kNoSuchFile, ErrorCode::kNotFound},
                                     std::pair{Fx::kPermissionDenied, ErrorCode::kDenied},
                                     std::pair{Fx::kFailure, ErrorCode::kInternal},
                                     std::pair{Fx::kNoSpace, ErrorCode::kResourceExhausted},
                                     std::pair{Fx::kUnsupported, ErrorCode::kUnsupported}}) {
    const auto session = started({status(1, number)});
    ASSERT_TRUE(session);
    const auto found = (*session)->stat("a");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, code);
    EXPECT_THAT(found.error().message, ::testing::HasSubstr("words"));
    EXPECT_FALSE((*session)->is_broken());
  }
}

TEST(SftpSession, WhatIsNoAnswerBreaksIt) {
  using std::string_literals::operator""s;
  for (const std::string& answer :
       {"\0\0\0\0"s, "\xff\xff\xff\xff"s, data(1, "x"), "\0\0\0\5\x69\0\0\0\1"s,
        "\0\0\0\x0d\x69\0\0\0\1\0\0\0\1\0\0\0\1"s, "\0\0\0\2\x65\0"s}) {
    const auto session = started({answer});
    ASSERT_TRUE(session);
    EXPECT_FALSE((*session)->stat("a"));
    EXPECT_TRUE((*session)->is_broken());
    EXPECT_FALSE((*session)->stat("a"));
  }
}

TEST(SftpSession, AnswersThatNobodyAskedForBreakIt) {
  for (const uint32_t id : {uint32_t{77}, uint32_t{0}}) {
    const auto session = started({status(id, Fx::kOk), status(id, Fx::kOk)});
    ASSERT_TRUE(session);
    const auto found = (*session)->stat("a");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(found.error().message, ::testing::HasSubstr("another kind than asked for"));
    EXPECT_TRUE((*session)->is_broken());
  }
}

TEST(SftpSession, APacketThatMakesNoSenseMayBeUnderstoodByTheNextSession) {
  using std::string_literals::operator""s;
  const auto session = started({"\0\0\0\x07\x65\0\0\0\1\0\0"s});
  ASSERT_TRUE(session);
  EXPECT_EQ((*session)->remove("a").error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE((*session)->is_broken());
}

TEST(SftpSession, AFolderThatNeverEndsIsGivenUp) {
  PacketWriter opened(Type::kHandle);
  std::vector<std::string> answers = {packet(opened.u32(1).text("handle"))};
  for (uint32_t id = 2; id < 5'000; ++id) {
    PacketWriter none(Type::kName);
    answers.push_back(packet(none.u32(id).u32(0)));
  }
  const auto session = started(std::move(answers));
  ASSERT_TRUE(session);
  const auto found = (*session)->list("a");
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, ::testing::HasSubstr("another kind than asked for"));
}

TEST(SftpSession, WhatTheServerSaysMovesNoCursor) {
  PacketWriter made(Type::kStatus);
  made.u32(1).u32(static_cast<uint32_t>(Fx::kFailure));
  made.text("\x1b[2J" + std::string(5'000, 'x')).text("");
  const auto session = started({packet(made)});
  ASSERT_TRUE(session);
  const std::string said = (*session)->remove("a").error().message;
  EXPECT_EQ(said.find('\x1b'), std::string::npos);
  EXPECT_LT(said.size(), 300);
}

TEST(SftpSession, MoreBytesThanAskedForAreRefused) {
  const auto session = started({data(1, std::string(11, 'x'))});
  ASSERT_TRUE(session);
  std::string bytes;
  EXPECT_FALSE((*session)->read("handle", 0, 10, bytes));
  EXPECT_TRUE(bytes.empty());
}

TEST(SftpSession, AServerOfAnOlderVersionIsRefused) {
  const auto session =
      Session::start(std::make_unique<Scripted>(std::vector<std::string>{hello(2)}));
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace weir::storage::sftp
