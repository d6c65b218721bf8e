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

TEST(RunProcess, CancellingEndsTheWholeGroup) {
  // The grandchild holds the FIFO open for writing: it ends when the grandchild does.
  std::string folder = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string fifo = folder + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
  Cancel cancel;
  Command command = shell("exec 3>\"$0\"; sleep 1000 & echo started >&2; wait");
  command.argv.push_back(fifo);
  command.on_error_line = [&](std::string_view) { cancel.cancel("by ann"); };
  const auto finished = run_process(command, cancel);
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(finished.error().message, "by ann");
  pollfd watched{reader, POLLIN, 0};
  constexpr int kPatienceMs = 30'000;
  poll(&watched, 1, kPatienceMs);
  char byte = 0;
  EXPECT_EQ(read(reader, &byte, 1), 0) << "the grandchild lives";
  close(reader);
  std::filesystem::remove_all(folder);
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
