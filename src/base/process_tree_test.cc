#include "base/process_tree.h"

#include <array>
#include <csignal>
#include <filesystem>
#include <future>
#include <iostream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fork_server.h"
#include "base/usage_meter.h"

// Programs that get away from their parents by all the ways there are. What holds a FIFO open is
// there until its reader sees the end.

namespace weir {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMegabyte = 1'000'000;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool kHasShadow = true;  ///< Sanitizers take several times the memory.
#else
constexpr bool kHasShadow = false;
#endif

Command shell(std::string script, std::string name) {
  Command command;
  command.argv = {"sh", "-c", std::move(script), std::move(name)};
  return command;
}

Result<Finished> run(const Command& command) {
  const Cancel never;
  return run_process(command, never);
}

class ProcessTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    ASSERT_EQ(mkfifo(fifo().c_str(), 0600), 0);
    reader_ = open(fifo().c_str(), O_RDONLY | O_NONBLOCK);
  }
  void TearDown() override {
    close(reader_);
    std::filesystem::remove_all(folder_);
  }
  std::string fifo() const { return folder_ + "/fifo"; }
  /// Waits for it.
  bool is_nothing_left() const {
    constexpr int kPatienceMs = 10'000;
    pollfd watched{reader_, POLLIN, 0};
    poll(&watched, 1, kPatienceMs);
    char byte = 0;
    return read(reader_, &byte, 1) == 0;
  }
  /// The script says that it is time.
  Result<Finished> run_until_cancelled(Command command) const {
    Cancel cancel;
    command.on_error_line = [&](std::string_view) { cancel.cancel("by ann"); };
    return run_process(command, cancel);
  }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
  int reader_ = -1;
};

// It minds no signal, is in a session of its own, and its parent is gone at once.
constexpr const char* kDaemon =
    "exec 3>\"$0\"; (setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & wait' >/dev/null 2>&1 &); ";

TEST_F(ProcessTreeTest, CancellingEndsWhatLeftTheSession) {
  const auto finished = run_until_cancelled(
      shell("exec 3>\"$0\"; setsid sleep 1000 & echo started >&2; wait", fifo()));
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, CancellingEndsWhatMindsNoSignal) {
  ASSERT_FALSE(run_until_cancelled(
      shell("exec 3>\"$0\"; trap '' TERM; echo started >&2; while :; do sleep 1; done", fifo())));
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, CancellingEndsADaemon) {
  ASSERT_FALSE(run_until_cancelled(shell(std::string(kDaemon) + "echo started >&2; wait", fifo())));
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, ADaemonDoesNotOutliveAProgramThatHasDoneWell) {
  ASSERT_TRUE(run(shell(std::string(kDaemon) + "exit 0", fifo())));
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, TooMuchOutputEndsADaemonToo) {
  Command command = shell(std::string(kDaemon) + "while :; do echo xxxxxxxxxxxx; done", fifo());
  command.output_limit_bytes = 1000;
  EXPECT_EQ(run(command).error().code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, AfterTheTimeLimitADaemonIsEndedToo) {
  Command command =
      shell(std::string(kDaemon) + "trap '' TERM; while :; do sleep 1000; done", fifo());
  command.time_limit_ms = 60;
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  EXPECT_TRUE(finished->exceeded);
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, WhatAChildAllocatesCounts) {
  Command command = shell(
      "exec 3>\"$0\"; setsid sh -c 'x=x; while :; do x=$x$x; done' & while :; do sleep 1; done",
      fifo());
  command.memory_limit_bytes = 100 * kMegabyte;
  command.time_limit_ms = 20'000;
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  ASSERT_TRUE(finished->exceeded);
  EXPECT_EQ(finished->exceeded->code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(finished->exceeded->message, HasSubstr("below it used"));
  EXPECT_GT(finished->usage.peak_memory_bytes, command.memory_limit_bytes);
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, WhatADaemonAllocatesCounts) {
  Command command = shell(
      "exec 3>\"$0\"; (setsid sh -c 'x=x; while :; do x=$x$x; done' &); while :; do sleep 1; done",
      fifo());
  command.memory_limit_bytes = 100 * kMegabyte;
  command.time_limit_ms = 20'000;
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  ASSERT_TRUE(finished->exceeded);
  EXPECT_EQ(finished->exceeded->code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(ProcessTreeTest, TheTimeOfAChildThatIsKilledCounts) {
  Command command = shell(
      "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo >&2; sleep 1000' & wait",
      fifo());
  command.time_limit_ms = 1500;
  // Killed by the limit: nobody waited for the child.
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  EXPECT_TRUE(finished->exceeded);
  EXPECT_GT(finished->usage.cpu_ms, 20);
}

/// This program, told to run one test alone.
Command this_test(const std::string& name) {
  Command command;
  command.argv = {this_program(), "--gtest_also_run_disabled_tests",
                  "--gtest_filter=ProcessTreeProgram.DISABLED_" + name};
  return command;
}

TEST(ProcessTreeProgram, DISABLED_SharesItsMemory) {
  const std::string shared(100 * kMegabyte, 'x');
  for (int i = 0; i < 3; ++i) {
    if (fork() != 0) continue;
    pollfd nothing{-1, 0, 0};
    poll(&nothing, 1, 700);
    _exit(shared.back() == 'x' ? 0 : 1);
  }
  while (wait(nullptr) > 0) {
  }
  _exit(0);
}

TEST_F(ProcessTreeTest, MemoryThatIsSharedCountsOnce) {
  if (kHasShadow) GTEST_SKIP() << "a sanitizer's memory is counted, too";
  Command command = this_test("SharesItsMemory");
  command.memory_limit_bytes = 250 * kMegabyte;
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  EXPECT_FALSE(finished->exceeded) << finished->exceeded->message;
  EXPECT_EQ(finished->exit_status, 0);
  EXPECT_GT(finished->usage.peak_memory_bytes, 100 * kMegabyte);
  EXPECT_LT(finished->usage.peak_memory_bytes, 250 * kMegabyte);
}

TEST_F(ProcessTreeTest, ANumberThatIsUsedAgainIsNobodyOfTheTree) {
  const pid_t other = fork();
  if (other == 0) {
    pause();
    _exit(0);
  }
  internal::ProcessTree tree(other, "no such mark");
  EXPECT_EQ(tree.look().processes, 1);
  ::kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  EXPECT_EQ(tree.look().processes, 0);
}

// What a fork server's child does: it has a task, and the task has a program.
int act(const std::vector<std::string>& words) {
  UsageMeter meter;
  const Cancel never;
  Command command = shell(words.at(1), words.at(2));
  command.on_error_line = [](std::string_view line) { std::cerr << line << std::endl; };
  static_cast<void>(run_process(command, never));
  if (words.at(0) == "forgets") return 0;
  const Usage usage = meter.finish();
  std::cout << usage.cpu_ms << " " << usage.peak_memory_bytes << std::flush;
  return 0;
}

TEST(ProcessTreeProgram, DISABLED_Serves) { _exit(serve_forks(act)); }

// Began as a shell that has a child already.
TEST(ProcessTreeProgram, DISABLED_Finishes) {
  const auto runs = [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) == 0; };
  pid_t before = 0;
  for (const pid_t pid : internal::all_processes())
    if (const auto facts = internal::facts_of(pid); facts && facts->parent == getpid())
      before = pid;
  UsageMeter meter;
  const pid_t own = fork();
  if (own == 0) {
    pause();
    _exit(0);
  }
  static_cast<void>(meter.finish());
  if (before != 0 && runs(before)) std::cerr << "the one before runs\n";
  if (!runs(own)) std::cerr << "the one of the task has ended\n";
  _exit(0);
}

class TaskTest : public ProcessTreeTest {
 protected:
  Result<Finished> run_task(std::vector<std::string> words, Command limits = {}) {
    const Cancel never;
    limits.argv = {"/weir-no-such-program"};
    limits.argv.insert(limits.argv.end(), words.begin(), words.end());
    return server_.run(limits, never);
  }
  ForkServer server_{this_test("Serves").argv};
};

// Without the mark in its environment nothing but its parents says whose it is.
constexpr const char* kUnmarked =
    "exec 3>\"$0\"; (env -i setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & wait' >/dev/null 2>&1 "
    "&) ";

TEST_F(TaskTest, WhatItsProgramLeftEndsWithIt) {
  ASSERT_TRUE(run_task({"measures", kUnmarked, fifo()}));
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(TaskTest, WhatItsProgramLeftEndsWithItThoughItWasNotMeasured) {
  ASSERT_TRUE(run_task({"forgets", kUnmarked, fifo()}));
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(TaskTest, WhatItLeavesWhenItIsKilledIsEnded) {
  const auto finished =
      run_task({"measures", std::string(kUnmarked) + "; setsid sleep 1000 & kill -KILL $PPID; wait",
                fifo()});
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->signal, SIGKILL);
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(TaskTest, AboveItsMemoryLimitAllOfItIsEnded) {
  Command limits;
  limits.memory_limit_bytes = 150 * kMegabyte;
  limits.time_limit_ms = 20'000;
  const auto finished =
      run_task({"measures",
                std::string(kUnmarked) +
                    "; (env -i setsid sh -c 'x=x; while :; do x=$x$x; done' &); sleep 1000",
                fifo()},
               limits);
  ASSERT_TRUE(finished);
  ASSERT_TRUE(finished->exceeded);
  EXPECT_EQ(finished->exceeded->code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(is_nothing_left());
}

TEST_F(TaskTest, OthersOfItsForkServerAreLeftAlone) {
  Cancel enough;
  std::atomic<bool> has_ended = false;
  Command lasting;
  std::promise<void> runs;
  lasting.argv = {"/weir-no-such-program", "measures", "echo started >&2; sleep 1000", fifo()};
  lasting.on_error_line = [&](std::string_view) { runs.set_value(); };
  const std::jthread other([&] {
    static_cast<void>(server_.run(lasting, enough));
    has_ended = true;
  });
  runs.get_future().wait();
  ASSERT_TRUE(run_task({"measures", "kill -KILL $PPID", fifo()}));
  ASSERT_TRUE(run_task({"measures", "exit 0", fifo()}));
  EXPECT_FALSE(has_ended);
  enough.cancel("it is over");
}

TEST_F(TaskTest, WhatIsBelowItIsMeasured) {
  if (kHasShadow) GTEST_SKIP() << "a sanitizer's memory is counted, too";
  // Some 64 MB in each of four children of its program, for half a second.
  const auto finished = run_task(
      {"measures",
       "for child in 1 2 3 4; do sh -c 'x=xxxxxxxxxxxxxxxx; i=0; while [ $i -lt 22 ]; do x=$x$x; "
       "i=$((i+1)); done; sleep 0.5' & done; wait",
       fifo()});
  ASSERT_TRUE(finished);
  int64_t cpu_ms = 0;
  int64_t bytes = 0;
  std::istringstream(finished->standard_output) >> cpu_ms >> bytes;
  EXPECT_GT(cpu_ms, 10);
  EXPECT_GT(bytes, 256 * kMegabyte) << "together";
  EXPECT_LT(bytes, 1000 * kMegabyte);
}

TEST_F(TaskTest, WhatWasThereBeforeItsTaskIsLeftAlone) {
  Command child = shell("sleep 30 3>&- & exec \"$@\"", "sh");
  for (const auto& word : this_test("Finishes").argv) child.argv.push_back(word);
  const auto finished = run(child);
  ASSERT_TRUE(finished);
  EXPECT_THAT(finished->standard_error_tail, HasSubstr("the one before runs"));
  EXPECT_THAT(finished->standard_error_tail, HasSubstr("the one of the task has ended"));
}

}  // namespace
}  // namespace weir
