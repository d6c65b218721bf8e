#include "base/process.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;

Command shell(std::string script) {
  Command command;
  command.argv = {"sh", "-c", std::move(script)};
  return command;
}

Result<Finished> run(const Command& command) {
  const Cancel never;
  return run_process(command, never);
}

TEST(RunProcess, GivesWhatTheProgramWroteAndHowItEnded) {
  const auto finished = run(shell("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(finished) << to_line(finished.error());
  EXPECT_EQ(finished->exit_status, 3);
  EXPECT_EQ(finished->signal, 0);
  EXPECT_EQ(finished->standard_output, "out\n");
  EXPECT_EQ(finished->standard_error_tail, "err\n");
}

TEST(RunProcess, ArgumentsAreNoShellText) {
  Command command;
  command.argv = {"printf", "%s|", "a b", "$(id)", "; echo x", "-n", "\n"};
  EXPECT_EQ(run(command)->standard_output, "a b|$(id)|; echo x|-n|\n|");
}

TEST(RunProcess, MuchInputAndOutputAtOnceDoNotBlock) {
  Command command = shell("cat; head -c 1000000 /dev/zero >&2");
  command.standard_input = std::string(5'000'000, 'x');
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->standard_output, command.standard_input);
  EXPECT_EQ(finished->standard_error_tail.size(), size_t{16} << 10);
}

TEST(RunProcess, AProgramThatReadsNoInputIsNoFault) {
  Command command = shell("exit 0");
  command.standard_input = std::string(1'000'000, 'x');
  EXPECT_TRUE(run(command));
}

TEST(RunProcess, GivesEachLineOfStandardError) {
  std::vector<std::string> lines;
  Command command = shell("printf 'one\\n\\ntwo' >&2; printf '2\\nlast' >&2");
  command.on_error_line = [&](std::string_view line) { lines.emplace_back(line); };
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  EXPECT_THAT(lines, ElementsAre("one", "", "two2", "last"));
  EXPECT_EQ(finished->standard_error_tail, "one\n\ntwo2\nlast");
}

TEST(RunProcess, TheEnvironmentIsTheParentsWithTheCommands) {
  Command command = shell("echo \"$WEIR_TEST_VALUE:${PATH:+path}\"; pwd");
  command.environment = {{"WEIR_TEST_VALUE", "a=b c"}};
  command.working_directory = "/";
  EXPECT_EQ(run(command)->standard_output, "a=b c:path\n/\n");
}

TEST(RunProcess, AVariableOfTheCommandStandsInPlaceOfTheParents) {
  ASSERT_EQ(setenv("WEIR_TEST_VALUE", "parent", 1), 0);
  Command command;
  command.argv = {"env"};
  command.environment = {{"WEIR_TEST_VALUE", "command"}};
  const auto finished = run(command);
  unsetenv("WEIR_TEST_VALUE");
  EXPECT_THAT(finished->standard_output, ::testing::HasSubstr("WEIR_TEST_VALUE=command\n"));
  EXPECT_THAT(finished->standard_output, ::testing::Not(::testing::HasSubstr("=parent\n")));
}

TEST(RunProcess, NoOtherDescriptorIsInherited) {
  const int leaky = open("/dev/null", O_RDONLY);
  ASSERT_GE(leaky, 3);
  Command command;
  command.argv = {"ls", "/proc/self/fd"};
  const auto finished = run(command);
  close(leaky);
  EXPECT_EQ(finished->standard_output, "0\n1\n2\n3\n") << "3 is the folder that ls reads";
}

TEST(RunProcess, WhatCannotBeStartedSaysWhy) {
  Command command;
  command.argv = {"weir-no-such-program"};
  EXPECT_EQ(run(command).error().code, ErrorCode::kNotFound);
  command.argv = {"/"};
  EXPECT_EQ(run(command).error().code, ErrorCode::kDenied);
  command.argv = {};
  EXPECT_EQ(run(command).error().code, ErrorCode::kInvalidConfig);
  command = shell("exit 0");
  command.working_directory = "/weir-no-such-folder";
  const auto in_no_folder = run(command);
  EXPECT_EQ(in_no_folder.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(in_no_folder.error().message, ::testing::HasSubstr("/weir-no-such-folder"));
}

TEST(RunProcess, ASignalThatEndsItIsTold) {
  const auto finished = run(shell("kill -KILL $$"));
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->signal, SIGKILL);
}

TEST(RunProcess, TooMuchOutputEndsIt) {
  Command command = shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxx; done");
  command.output_limit_bytes = 1000;
  EXPECT_EQ(run(command).error().code, ErrorCode::kResourceExhausted);
  command = shell("printf 1234");
  command.output_limit_bytes = 4;
  EXPECT_TRUE(run(command));
}

/// A FIFO that a grandchild holds open for writing: it is at its end when the grandchild is.
class Grandchild {
 public:
  Grandchild() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    EXPECT_EQ(mkfifo(path().c_str(), 0600), 0);
    reader_ = open(path().c_str(), O_RDONLY | O_NONBLOCK);
  }
  ~Grandchild() {
    close(reader_);
    std::filesystem::remove_all(folder_);
  }
  Grandchild(const Grandchild&) = delete;
  Grandchild& operator=(const Grandchild&) = delete;

  std::string path() const { return folder_ + "/fifo"; }
  bool has_ended() const {
    constexpr int kPatienceMs = 10'000;
    pollfd watched{reader_, POLLIN, 0};
    poll(&watched, 1, kPatienceMs);
    char byte = 0;
    return read(reader_, &byte, 1) == 0;
  }

 private:
  std::string folder_ = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
  int reader_ = -1;
};

TEST(RunProcess, CancellingEndsTheWholeGroup) {
  const Grandchild grandchild;
  Cancel cancel;
  Command command = shell("exec 3>\"$0\"; sleep 1000 & echo started >&2; wait");
  command.argv.push_back(grandchild.path());
  command.on_error_line = [&](std::string_view) { cancel.cancel("by ann"); };
  const auto finished = run_process(command, cancel);
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(finished.error().message, "by ann");
  EXPECT_TRUE(grandchild.has_ended());
}

TEST(RunProcess, NothingThatItStartedOutlivesIt) {
  const Grandchild grandchild;
  Command command = shell("exec 3>\"$0\"; sleep 1000 > /dev/null 2>&1 & exit 0");
  command.argv.push_back(grandchild.path());
  ASSERT_TRUE(run(command));
  EXPECT_TRUE(grandchild.has_ended());
}

TEST(RunProcess, WhatIsCancelledBeforehandIsNotStarted) {
  Cancel cancel;
  cancel.cancel("by ann");
  EXPECT_EQ(run_process(shell("exit 0"), cancel).error().code, ErrorCode::kCancelled);
}

TEST(RunProcess, AGrandchildThatHoldsThePipesDoesNotHoldUs) {
  const auto finished = run(shell("sleep 1000 & echo done"));
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->standard_output, "done\n");
}

TEST(RunProcess, SignalsThatTheParentIgnoresAreNotIgnoredByTheChild) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  const auto finished = run(shell("kill -PIPE $$"));
  signal(SIGPIPE, before);
  EXPECT_EQ(finished->signal, SIGPIPE);
}

TEST(RunProcess, TellsWhatItTook) {
  const auto finished = run(shell("i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"));
  ASSERT_TRUE(finished);
  EXPECT_GT(finished->usage.cpu_ms, 20);
  EXPECT_GT(finished->usage.peak_memory_bytes, 100'000);
  EXPECT_LT(finished->usage.peak_memory_bytes, 20'000'000) << "not what this process has";
}

TEST(RunProcess, AboveItsMemoryLimitItIsKilled) {
  const Grandchild grandchild;
  Command command = shell("exec 3>\"$0\"; sleep 1000 & x=x; while :; do x=$x$x; done");
  command.argv.push_back(grandchild.path());
  command.memory_limit_bytes = 100'000'000;
  const auto finished = run(command);
  ASSERT_TRUE(finished) << to_line(finished.error());
  EXPECT_EQ(finished->signal, SIGKILL);
  ASSERT_TRUE(finished->exceeded);
  EXPECT_EQ(finished->exceeded->code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(finished->exceeded->message, ::testing::HasSubstr("its limit is 100 MB"));
  EXPECT_GT(finished->usage.peak_memory_bytes, command.memory_limit_bytes);
  EXPECT_TRUE(grandchild.has_ended());
}

TEST(RunProcess, AfterItsTimeLimitItIsKilledThoughItMindsNoSignal) {
  Command command = shell("trap '' TERM; while :; do sleep 1000; done");
  command.time_limit_ms = 60;
  const auto finished = run(command);
  ASSERT_TRUE(finished);
  ASSERT_TRUE(finished->exceeded);
  EXPECT_EQ(finished->exceeded->code, ErrorCode::kUnavailable);
}

TEST(RunProcess, BelowItsLimitsItIsLeftAlone) {
  Command command = shell("sleep 0.2");
  command.memory_limit_bytes = 100'000'000;
  command.time_limit_ms = 60'000;
  EXPECT_FALSE(run(command)->exceeded);
}

TEST(ProcessId, ThisProcessIsAliveAndAnotherStartIsNot) {
  ProcessId process = this_process();
  EXPECT_EQ(process.pid, getpid());
  EXPECT_GT(process.started_ticks, 0);
  EXPECT_TRUE(may_be_alive(process));
  ProcessId other_start = process;
  ++other_start.started_ticks;
  EXPECT_FALSE(may_be_alive(other_start)) << "a number used again";
  ProcessId other_boot = process;
  other_boot.boot_id = "00000000-0000-0000-0000-000000000000";
  EXPECT_FALSE(may_be_alive(other_boot));
  EXPECT_FALSE(may_be_alive(ProcessId{}));
}

TEST(ProcessId, AChildThatEndedIsGoneThoughNobodyTookItsEnd) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  ProcessId process = this_process();
  process.pid = child;
  const auto stat = run(shell(fmt::format("cut -d' ' -f22 /proc/{}/stat", child)));
  process.started_ticks = std::stoll(stat->standard_output);
  EXPECT_FALSE(may_be_alive(process)) << "a zombie";
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(may_be_alive(process));
}

TEST(ThisProgram, IsTheTestItself) {
  EXPECT_THAT(this_program(), EndsWith("base_test"));
  EXPECT_FALSE(host_name().empty());
}

}  // namespace
}  // namespace weir
