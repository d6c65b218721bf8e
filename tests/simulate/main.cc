// One-thread simulation of servers on one catalog:
//   simulate_orchestration --seeds 20000 [--from 1] [--jobs 2]
//   simulate_orchestration --seed 17 --trace

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "simulation.h"

namespace {

using weir::simulate::Seen;
using weir::simulate::Theatre;

struct Options {
  uint64_t from = 1;
  uint64_t seeds = 1000;
  uint64_t jobs = 1;
  int64_t most_failures = 5;
  bool is_traced = false;
};

struct Sum {
  int64_t seeds = 0;
  int64_t failures = 0;
  int64_t simulated_us = 0;
  int64_t events = 0;
  int64_t calls = 0;
  int64_t faults = 0;
  int64_t runs = 0;
  int64_t begins = 0;
  int64_t effects = 0;
  void add(const Sum& other) {
    seeds += other.seeds;
    failures += other.failures;
    simulated_us += other.simulated_us;
    events += other.events;
    calls += other.calls;
    faults += other.faults;
    runs += other.runs;
    begins += other.begins;
    effects += other.effects;
  }
};

Sum play(const Options& options, uint64_t job) {
  const std::string base = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
  std::string folder = base + "/weir-simulate-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) std::exit(2);
  Sum sum;
  {
    Theatre theatre(folder);
    for (uint64_t seed = options.from + job; seed < options.from + options.seeds;
         seed += options.jobs) {
      const Seen seen = theatre.play(seed, options.is_traced);
      ++sum.seeds;
      sum.simulated_us += seen.simulated_us;
      sum.events += seen.events;
      sum.calls += seen.calls;
      sum.faults += seen.faults;
      sum.runs += seen.runs;
      sum.begins += seen.begins;
      sum.effects += seen.effects;
      if (!seen.complaint) continue;
      ++sum.failures;
      std::printf("seed %llu: %s\n  again: simulate_orchestration --seed %llu --trace\n",
                  static_cast<unsigned long long>(seed), seen.complaint->c_str(),
                  static_cast<unsigned long long>(seed));
      std::fflush(stdout);
      if (sum.failures >= options.most_failures) break;
    }
  }
  std::filesystem::remove_all(folder);
  return sum;
}

Sum play_in_jobs(const Options& options) {
  if (options.jobs == 1) return play(options, 0);
  Sum sum;
  std::vector<int> ends;
  for (uint64_t job = 0; job < options.jobs; ++job) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) std::exit(2);
    const pid_t pid = fork();
    if (pid < 0) std::exit(2);
    if (pid == 0) {
      const Sum own = play(options, job);
      const bool is_told = write(pipe_ends[1], &own, sizeof own) == sizeof own;
      _exit(is_told ? 0 : 2);
    }
    close(pipe_ends[1]);
    ends.push_back(pipe_ends[0]);
  }
  for (const int end : ends) {
    Sum own;
    if (read(end, &own, sizeof own) == sizeof own)
      sum.add(own);
    else
      ++sum.failures;
    close(end);
  }
  while (wait(nullptr) > 0) {
  }
  return sum;
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto number = [&] {
      if (i + 1 == argc) std::exit(2);
      return std::strtoull(argv[++i], nullptr, 10);
    };
    if (word == "--seeds") {
      options.seeds = number();
    } else if (word == "--from") {
      options.from = number();
    } else if (word == "--jobs") {
      options.jobs = number();
    } else if (word == "--failures") {
      options.most_failures = static_cast<int64_t>(number());
    } else if (word == "--seed") {
      options.from = number();
      options.seeds = 1;
    } else if (word == "--trace") {
      options.is_traced = true;
    } else {
      std::fprintf(
          stderr,
          "usage: %s [--seeds N] [--from N] [--jobs N] [--failures N] | --seed N [--trace]\n",
          argv[0]);
      std::exit(2);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  Options options = read_options(argc, argv);
  weir::simulate::Journal::expect_one_thread();
  const char* is_long = std::getenv("WEIR_LONG");
  if (is_long != nullptr && std::strcmp(is_long, "1") == 0 && options.seeds > 1)
    options.seeds *= 10;
  const auto begun = std::chrono::steady_clock::now();
  const Sum sum = play_in_jobs(options);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf(
      "%lld seeds from %llu, %lld wrong: %lld simulated hours, %lld runs, %lld attempts, %lld "
      "effects, %lld faults, %lld calls of the catalog, %lld events in %.1f s\n",
      static_cast<long long>(sum.seeds), static_cast<unsigned long long>(options.from),
      static_cast<long long>(sum.failures),
      static_cast<long long>(sum.simulated_us / weir::simulate::kHourUs),
      static_cast<long long>(sum.runs), static_cast<long long>(sum.begins),
      static_cast<long long>(sum.effects), static_cast<long long>(sum.faults),
      static_cast<long long>(sum.calls), static_cast<long long>(sum.events), seconds);
  return sum.failures == 0 ? 0 : 1;
}
