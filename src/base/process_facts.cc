#include "base/process_facts.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <span>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/child_process.h"

namespace weir::internal {
namespace {

/// As much of it as there is room for.
std::string_view read_file(pid_t pid, std::string_view name, std::span<char> room) {
  const Handle file(open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return {};
  size_t size = 0;
  while (size < room.size()) {
    const ssize_t count = ::read(file.get(), room.data() + size, room.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += static_cast<size_t>(count);
  }
  return {room.data(), size};
}

int64_t number_in(std::string_view digits) {
  int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

constexpr size_t kLongestStat = 2048;
constexpr size_t kLongestRollup = 4096;
constexpr size_t kLongestEnvironment = size_t{256} << 10;

}  // namespace

std::optional<ProcessFacts> facts_of(pid_t pid) {
  std::array<char, kLongestStat> room{};
  std::string_view text = read_file(pid, "stat", room);
  // The name stands in brackets and may hold anything, brackets too; field 3 follows the last one.
  const auto bracket = text.rfind(')');
  if (bracket == std::string_view::npos || bracket + 2 >= text.size()) return std::nullopt;
  text.remove_prefix(bracket + 2);
  constexpr size_t kFirst = 3;
  constexpr size_t kLast = 24;
  std::array<std::string_view, kLast + 1> fields;
  for (size_t i = kFirst; i <= kLast; ++i) {
    const size_t end = std::min(text.find(' '), text.size());
    fields.at(i) = text.substr(0, end);
    if (fields.at(i).empty()) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const int64_t ticks =
      number_in(fields[14]) + number_in(fields[15]) + number_in(fields[16]) + number_in(fields[17]);
  return ProcessFacts{.pid = pid,
                      .parent = static_cast<pid_t>(number_in(fields[4])),
                      .group = static_cast<pid_t>(number_in(fields[5])),
                      .state = fields[3][0],
                      .threads = number_in(fields[20]),
                      .started_ticks = number_in(fields[22]),
                      .cpu_ms = ticks * 1000 / sysconf(_SC_CLK_TCK),
                      .resident_bytes = number_in(fields[24]) * sysconf(_SC_PAGESIZE)};
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  DIR* const folder = opendir("/proc");
  if (folder == nullptr) return pids;
  while (const dirent* const entry = readdir(folder)) {
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (const int64_t pid = number_in(name); pid > 0) pids.push_back(static_cast<pid_t>(pid));
  }
  closedir(folder);
  std::ranges::sort(pids);
  return pids;
}

std::optional<int64_t> proportional_bytes(pid_t pid) {
  std::array<char, kLongestRollup> room{};
  const std::string_view text = read_file(pid, "smaps_rollup", room);
  constexpr std::string_view kName = "\nPss:";
  const auto found = text.find(kName);
  if (found == std::string_view::npos) return std::nullopt;
  const auto digit = text.find_first_not_of(' ', found + kName.size());
  if (digit == std::string_view::npos) return std::nullopt;
  return number_in(text.substr(digit)) * 1024;
}

bool has_in_environment(pid_t pid, const std::string& text) {
  std::string room(kLongestEnvironment, '\0');
  return read_file(pid, "environ", room).find(text) != std::string_view::npos;
}

}  // namespace weir::internal
