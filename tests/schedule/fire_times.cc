/// Says when schedules fire, for the oracle in sweep.py. Reads one request a line, with tabs
/// between the words, and answers each with one line:
///   sums ZONE CRON FROM TO       how many times in [FROM, TO), their sum, the sum of their squares
///   list ZONE CRON FROM TO       the times
///   every ZONE PERIOD START FROM TO
/// A further word is JSON with more keys of the schedule: its calendar, on_holiday.
/// Instants are seconds of UTC, sums are modulo 2^64. On the way it checks what must hold for any
/// schedule: times ascend, and each one's data interval begins at the one before; asked backwards,
/// the same times come.

#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <fmt/ranges.h>

#include "schedule/schedule.h"

namespace weir::schedule {
namespace {

constexpr int64_t kSecondUs = 1'000'000;

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  for (const char c : line) {
    if (c == '\t')
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

struct Sums {
  uint64_t count = 0;
  uint64_t sum = 0;
  uint64_t squares = 0;
};

/// Looks closely at each time of a short list, and of long ones at those near a change of clocks
/// and at every 97th.
class Walk {
 public:
  Walk(const Schedule& schedule, int64_t from_s, int64_t to_s)
      : schedule_(schedule), from_us_(from_s * kSecondUs), to_us_(to_s * kSecondUs) {}

  /// What is wrong, or empty.
  std::string run(bool keeps) {
    Times times(schedule_, from_us_ - 1, to_us_ - 1);
    int64_t before_us = from_us_ - 1;
    for (auto time = times.next(); time; time = times.next()) {
      if (*time <= before_us || *time % kSecondUs != 0) return "times do not ascend";
      const int64_t at_s = *time / kSecondUs;
      if (is_close(at_s) || sums.count % 97 == 0 || looks_at_all) {
        if (schedule_.last_until(*time) != time) return "asked backwards, it is not there";
        const Interval interval = schedule_.interval_of(*time);
        if (interval.end_us != *time) return "its interval does not end with it";
        if (sums.count > 0 && interval.start_us != before_us) return "intervals do not tile";
        if (sums.count > 0 && schedule_.next_after(interval.start_us) != time)
          return "it does not come after the start of its interval";
      }
      before_us = *time;
      const auto value = static_cast<uint64_t>(at_s);
      ++sums.count;
      sums.sum += value;
      sums.squares += value * value;
      if (keeps) list.push_back(at_s);
    }
    return {};
  }

  Sums sums;
  std::vector<int64_t> list;
  bool looks_at_all = false;

 private:
  bool is_close(int64_t at_s) {
    constexpr int64_t kNear = 2 * 86'400;
    const auto& spans = schedule_.zone().spans();
    while (at_ < spans.size() && spans[at_].end_s + kNear < at_s) ++at_;
    return at_ < spans.size() && at_s > spans[at_].end_s - kNear;
  }

  const Schedule& schedule_;
  int64_t from_us_;
  int64_t to_us_;
  size_t at_ = 0;
};

std::string answer(const std::vector<std::string>& words, Zones& zones) {
  if (words.size() < 5) return "error\ttoo few words";
  Json written = {{"timezone", words[1]}};
  const bool is_every = words[0] == "every";
  written[is_every ? "every" : "cron"] = words[2];
  if (is_every) written["start"] = words[3];
  const size_t last = is_every ? 6 : 5;
  const bool has_more = words.size() > last;
  if (has_more) written.update(*parse_json(words[last]));
  const auto schedule = read_schedule(written, zones);
  if (!schedule) return "error\t" + schedule.error().message;
  const size_t first = is_every ? 4 : 3;
  Walk walk(*schedule, std::stoll(words[first]), std::stoll(words[first + 1]));
  walk.looks_at_all = has_more && !is_every;
  const std::string problem = walk.run(words[0] != "sums");
  if (!problem.empty()) return "broken\t" + problem;
  if (words[0] == "sums")
    return fmt::format("{}\t{}\t{}", walk.sums.count, walk.sums.sum, walk.sums.squares);
  return fmt::format("{}", fmt::join(walk.list, "\t"));
}

}  // namespace
}  // namespace weir::schedule

int main() {
  weir::schedule::Zones zones;
  std::string line;
  while (std::getline(std::cin, line))
    std::cout << weir::schedule::answer(weir::schedule::words_of(line), zones) << std::endl;
}
