#include "base/fork_server.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

// The fork server of these tests is this program again, told to run one test alone.

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// What a child does, by its first word.
int act(const std::vector<std::string>& words) {
  const std::string& what = words.at(0);
  if (what == "say") {
    std::cout << words.at(1) << std::flush;
    std::cerr << "to error\n";
    return 3;
  }
  if (what == "descriptors") {
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd"))
      std::cout << each.path().filename().string() << "\n";
  }
  if (what == "self") {
    std::cout << getpid() << " " << getpgrp() << " " << getppid() << "\n";
    const char* const value = std::getenv("WEIR_TEST_VALUE");
    std::cout << (value == nullptr ? "" : value) << "\n"
              << std::filesystem::current_path().string() << "\n"
              << (std::getenv("LD_BIND_NOW") == nullptr ? "" : "binds now") << "\n";
    std::string shown = text_of("/proc/self/cmdline");
    std::ranges::replace(shown, '\0', '|');
    std::cout << shown << "\n";
    for (const int number : {SIGPIPE, SIGTERM, SIGCHLD})
      std::cout << (std::signal(number, SIG_DFL) == SIG_DFL ? "default " : "other ");
  }
  if (what == "shell") execlp("sh", "sh", "-c", words.at(1).c_str(), words.at(2).c_str(), nullptr);
  std::cout.flush();
  return 0;
}

TEST(ForkServerProcess, DISABLED_Serves) {
  EXPECT_GE(open("/dev/null", O_RDONLY), 3);  // as a library may have something open
  _exit(serve_forks(act));
}

std::vector<std::string> program() {
  return {this_program(), "--gtest_also_run_disabled_tests",
          "--gtest_filter=ForkServerProcess.DISABLED_Serves"};
}

/// Of a program that is not there: what was not forked is not run at all.
Command words(std::vector<std::string> of_child) {
  Command command;
  command.argv = {"/weir-no-such-program"};
  command.argv.insert(command.argv.end(), of_child.begin(), of_child.end());
  return command;
}

class ForkServerTest : public ::testing::Test {
 protected:
  Result<Finished> run(const Command& command) {
    const Cancel never;
    return server_.run(command, never);
  }
  /// Lines of what `self` says.
  std::vector<std::string> lines_of(const Result<Finished>& finished) {
    std::vector<std::string> lines;
    if (!finished) return lines;
    std::istringstream text(finished->standard_output);
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  /// The pid of the fork server.
  pid_t pid_of_server() {
    const auto lines = lines_of(run(words({"self"})));
    pid_t pid = 0;
    pid_t group = 0;
    pid_t parent = 0;
    std::istringstream(lines.at(0)) >> pid >> group >> parent;
    return parent;
  }
  /// Where a shell writes into, and who holds it open.
  std::string fifo() {
    const std::string path = folder_ + "/fifo";
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    reader_ = open(path.c_str(), O_RDONLY | O_NONBLOCK);
    return path;
  }
  bool is_fifo_closed() {
    constexpr int kPatienceMs = 10'000;
    pollfd watched{reader_, POLLIN, 0};
    poll(&watched, 1, kPatienceMs);
    char byte = 0;
    return read(reader_, &byte, 1) == 0;
  }

  void SetUp() override { ASSERT_NE(mkdtemp(folder_.data()), nullptr); }
  void TearDown() override {
    if (reader_ >= 0) close(reader_);
    std::filesystem::remove_all(folder_);
  }

  ForkServer server_{program()};
  std::string folder_ = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
  int reader_ = -1;
};

TEST_F(ForkServerTest, GivesWhatTheChildWroteAndHowItEnded) {
  std::vector<std::string> lines;
  Command command = words({"say", "a b\n"});
  command.on_error_line = [&](std::string_view line) { lines.emplace_back(line); };
  const auto finished = run(command);
  ASSERT_TRUE(finished) << to_line(finished.error());
  EXPECT_EQ(finished->exit_status, 3);
  EXPECT_EQ(finished->signal, 0);
  EXPECT_EQ(finished->standard_output, "a b\n");
  EXPECT_THAT(lines, ElementsAre("to error"));
}

TEST_F(ForkServerTest, AChildIsAsOneThatWasStartedByItself) {
  Command command = words({"self", "x y"});
  command.environment = {{"WEIR_TEST_VALUE", "a=b c"}};
  command.working_directory = "/";
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  const auto lines = lines_of(run(command));
  std::signal(SIGPIPE, before);
  ASSERT_EQ(lines.size(), 6);
  pid_t pid = 0;
  pid_t group = 0;
  std::istringstream(lines[0]) >> pid >> group;
  EXPECT_GT(pid, 0);
  EXPECT_EQ(pid, group) << "leads a group of its own";
  EXPECT_EQ(lines[1], "a=b c");
  EXPECT_EQ(lines[2], "/");
  EXPECT_EQ(lines[3], "");
  EXPECT_THAT(lines[4], HasSubstr("|self|x y|"));
  EXPECT_EQ(lines[5], "default default default ");
  EXPECT_EQ(lines_of(run(words({"self"})))[1], "") << "what one was given another has not";
}

TEST_F(ForkServerTest, AChildHasNoDescriptorButItsOwn) {
  // Others run meanwhile: their lines are none of its business.
  Cancel enough;
  std::promise<void> other_runs;
  Command lasting = words({"shell", "echo started >&2; sleep 1000", ""});
  lasting.on_error_line = [&](std::string_view) { other_runs.set_value(); };
  const std::jthread other([&] { static_cast<void>(server_.run(lasting, enough)); });
  other_runs.get_future().wait();
  EXPECT_EQ(run(words({"descriptors"}))->standard_output, "0\n1\n2\n3\n")
      << "3 is the folder that is read";
  enough.cancel("it is over");
}

TEST_F(ForkServerTest, ASignalThatEndsItIsTold) {
  const auto finished = run(words({"shell", "kill -KILL $$", ""}));
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->signal, SIGKILL);
}

TEST_F(ForkServerTest, CancellingEndsTheWholeGroup) {
  Cancel cancel;
  Command command = words({"shell", "exec 3>\"$0\"; sleep 1000 & echo started >&2; wait", fifo()});
  command.on_error_line = [&](std::string_view) { cancel.cancel("by ann"); };
  const auto finished = server_.run(command, cancel);
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(is_fifo_closed());
}

TEST_F(ForkServerTest, AboveItsMemoryLimitAChildIsKilled) {
  Command command = words({"shell", "x=x; while :; do x=$x$x; done", ""});
  command.memory_limit_bytes = 100'000'000;
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  EXPECT_TRUE(finished->exceeded);
  EXPECT_GT(finished->usage.peak_memory_bytes, command.memory_limit_bytes);
  EXPECT_GT(finished->usage.cpu_ms, 0);
}

TEST_F(ForkServerTest, NothingThatItStartedOutlivesIt) {
  ASSERT_TRUE(run(words({"shell", "exec 3>\"$0\"; sleep 1000 > /dev/null 2>&1 & exit 0", fifo()})));
  EXPECT_TRUE(is_fifo_closed());
}

TEST_F(ForkServerTest, ManyRunAtOnce) {
  std::vector<std::jthread> threads;
  std::atomic<int> right = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const auto finished = run(words({"say", std::to_string(i * 100 + j)}));
        if (finished && finished->standard_output == std::to_string(i * 100 + j)) ++right;
      }
    });
  threads.clear();
  EXPECT_EQ(right, 160);
}

TEST_F(ForkServerTest, OneThatWasKilledIsStartedAgain) {
  const pid_t first = pid_of_server();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  // The command that finds it gone is started by itself: here its program does not exist.
  const auto unlucky = run(words({"say", "x"}));
  EXPECT_TRUE(unlucky || unlucky.error().code == ErrorCode::kNotFound);
  const pid_t second = pid_of_server();
  EXPECT_NE(first, second);
  EXPECT_EQ(run(words({"say", "x"}))->standard_output, "x");
}

TEST_F(ForkServerTest, WhatItForkedOutlivesItAndSaysThatItsEndIsUnknown) {
  const pid_t server = pid_of_server();
  Command command = words({"shell", "echo $$ >&2; read line < \"$0\"; echo \"$line\"", fifo()});
  std::ofstream writer;  // open to the end: a shell that comes late would wait for one for ever
  command.on_error_line = [&](std::string_view) {
    kill(server, SIGKILL);
    const std::string stat = fmt::format("/proc/{}/stat", server);
    while (text_of(stat).find(") Z ") == std::string::npos) std::this_thread::yield();
    writer.open(folder_ + "/fifo");
    writer << "goes on\n" << std::flush;
  };
  const auto finished = run(command);
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kUnavailable);
}

TEST_F(ForkServerTest, OneThatHangsIsKilledAndTheCommandStartedByItself) {
  const pid_t server = pid_of_server();
  kill(server, SIGSTOP);
  Command command;
  command.argv = {"echo", "by itself"};
  const auto finished = run(command);
  ASSERT_TRUE(finished) << to_line(finished.error());
  EXPECT_EQ(finished->standard_output, "by itself\n");
}

TEST_F(ForkServerTest, ItEndsWithTheOneThatStartedIt) {
  pid_t pid = 0;
  {
    ForkServer short_lived(program());
    const Cancel never;
    std::istringstream text(short_lived.run(words({"self"}), never)->standard_output);
    text >> pid >> pid >> pid;
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST(ForkServer, WithoutItsProgramCommandsAreStartedByThemselves) {
  ForkServer server({"/weir-no-such-program"});
  const Cancel never;
  Command command;
  command.argv = {"echo", "out"};
  EXPECT_EQ(server.run(command, never)->standard_output, "out\n");
}

TEST(ForkServer, WhatIsCancelledBeforehandIsNotStarted) {
  ForkServer server(program());
  Cancel cancel;
  cancel.cancel("by ann");
  EXPECT_EQ(server.run(words({"say", "x"}), cancel).error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace weir
