#include "cli/run_view.h"

#include <algorithm>
#include <ostream>

#include "base/instant.h"
#include "base/printable.h"
#include "cli/table_text.h"
#include "model/control_sums.h"

namespace weir::cli {
namespace {

std::string text_field(const Json& details, const std::string& key) {
  const auto found = details.find(key);
  return found != details.end() && found->is_string() ? found->get<std::string>() : "";
}

/// Where it was a process of its own.
std::string cpu_text(const catalog::TaskRun& row) {
  if (row.peak_memory_bytes == 0) return {};
  return fmt::format("{}.{:03} s", row.cpu_ms / 1000, row.cpu_ms % 1000);
}

std::string memory_text(const catalog::TaskRun& row) {
  if (row.peak_memory_bytes == 0) return {};
  return with_commas((row.peak_memory_bytes + 999'999) / 1'000'000) + " MB";
}

/// Task, state, try, time taken, CPU time and memory, and what there is to say. One that was never
/// tried has no try.
std::vector<std::string> line_of(const catalog::TaskRun& row) {
  std::string attempt;
  std::string took;
  if (row.attempt > 0) {
    const bool has_ended = row.finished_at_us > 0 && row.started_at_us > 0;
    const int64_t ms = has_ended ? (row.finished_at_us - row.started_at_us) / 1000 : 0;
    attempt = std::to_string(row.attempt);
    took = fmt::format("{}.{:03} s", ms / 1000, ms % 1000);
  }
  std::string says = row.error_text;
  if (says.empty() && (row.counts.in != 0 || row.counts.out != 0)) says = counts_text(row.counts);
  return {row.task_id,        std::string(to_text(row.state)),
          std::move(attempt), std::move(took),
          cpu_text(row),      memory_text(row),
          std::move(says)};
}

}  // namespace

std::string counts_text(const model::Counts& counts) {
  std::string text =
      fmt::format("{} in = {} inserted", with_commas(counts.in), with_commas(counts.inserted));
  const auto add = [&](int64_t number, std::string_view name) {
    if (number != 0) text += fmt::format(" + {} {}", with_commas(number), name);
  };
  add(counts.updated_in_place, "updated in place");
  add(counts.rejected, "rejected");
  add(counts.deduplicated, "deduplicated");
  add(counts.unchanged, "unchanged");
  add(counts.filtered, "filtered");
  if (counts.closed_by_change != 0 || counts.closed_by_absence != 0)
    text +=
        fmt::format(" (closed: {} by change, {} by absence)", with_commas(counts.closed_by_change),
                    with_commas(counts.closed_by_absence));
  return text;
}

std::string RunView::line_of(const orchestrate::Event& event) {
  const Json& details = event.details;
  if (event.name == "run_started")
    return fmt::format("run {} of flow {}", event.run_id, text_field(details, "flow"));
  if (event.name == "task_started")
    return fmt::format("  {}: started (attempt {})", event.task_id,
                       details.value("attempt", int64_t{1}));
  if (event.name == "operation_finished") {
    if (details.value("done_before", false))
      return fmt::format("  {}: {}: done before, nothing written", event.task_id,
                         text_field(details, "hop"));
    if (const std::string held = text_field(details, "held"); !held.empty())
      return fmt::format("  {}: {}: HELD ({})", event.task_id, text_field(details, "hop"), held);
    const auto counts = model::counts_from_json(details.value("counts", Json::object()));
    const auto sums = model::hop_sums_from_json(details.value("sums", Json::object()));
    const std::string added_up = sums ? model::to_text(*sums) : "";
    return fmt::format("  {}: {}: {}{}{}", event.task_id, text_field(details, "hop"),
                       counts ? counts_text(*counts) : "", added_up.empty() ? "" : "; ", added_up);
  }
  if (event.name == "warning")
    return fmt::format("  {}: warning: {}", event.task_id, text_field(details, "message"));
  if (event.name == "task_finished") {
    std::string line = fmt::format("  {}: {}", event.task_id, text_field(details, "state"));
    if (const std::string message = text_field(details, "message"); !message.empty())
      line += ": " + message;
    return line;
  }
  return {};
}

void RunView::show(const orchestrate::Event& event) {
  const std::lock_guard lock(mutex_);
  if (session_.wants_json()) {
    Json line = event.details;
    line["format"] = 1;
    line["event"] = event.name;
    line["run_id"] = event.run_id;
    if (!event.task_id.empty()) line["task_id"] = event.task_id;
    *session_.wiring().out << dump_json(line) << "\n" << std::flush;
    return;
  }
  if (session_.flags().is_quiet) return;
  auto& err = *session_.wiring().err;
  if (event.name == "progress") {
    // A line that is written over, on a terminal only.
    if (session_.wiring().is_terminal)
      err << fmt::format("\r\033[K  {}: {} {} rows", event.task_id,
                         printable(text_field(event.details, "step")),
                         with_commas(event.details.value("rows", int64_t{0})))
          << std::flush;
    return;
  }
  if (session_.wiring().is_terminal) err << "\r\033[K";
  const std::string line = line_of(event);
  if (!line.empty()) err << printable(line) << "\n" << std::flush;
}

Json to_json(const catalog::TaskRun& row) {
  return {{"task_id", row.task_id},
          {"template_id", row.template_id},
          {"state", to_text(row.state)},
          {"attempt", row.attempt},
          {"counts", model::to_json(row.counts)},
          {"cpu_ms", row.cpu_ms},
          {"peak_memory_bytes", row.peak_memory_bytes},
          {"operations", row.operations},
          {"details", row.details},
          {"held_reason", row.held_reason},
          {"error_code", row.error_code},
          {"error_text", row.error_text},
          {"error_hint", row.error_hint}};
}

std::string end_text(const orchestrate::RunReport& report) {
  std::vector<std::vector<std::string>> rows;
  rows.reserve(report.tasks.size());
  for (const auto& row : report.tasks) rows.push_back(line_of(row));
  std::vector<std::string> heads = {"task", "state", "try", "took", "cpu", "memory", ""};
  const auto is_measured = [](const auto& row) { return row.peak_memory_bytes > 0; };
  if (std::ranges::none_of(report.tasks, is_measured)) {
    const auto leave_out = [](auto& line) { line.erase(line.begin() + 4, line.begin() + 6); };
    std::ranges::for_each(rows, leave_out);
    leave_out(heads);
  }
  std::string text = fmt::format("run {} of flow {}: {}\n", report.run.run_id, report.run.flow_id,
                                 to_text(report.run.state));
  text += table_text(heads, rows, 110);
  return text + fault_text(report);
}

std::string fault_text(const orchestrate::RunReport& report) {
  std::string text;
  for (const auto& row : report.tasks) {
    if (row.error_code.empty()) continue;
    text += fmt::format("\nerror: task '{}' failed: {}\n", row.task_id, row.error_text);
    if (!row.error_hint.empty()) text += fmt::format("  help: {}\n", row.error_hint);
  }
  const bool can_retry = report.run.state == catalog::RunState::kFailed ||
                         report.run.state == catalog::RunState::kCancelled;
  if (can_retry)
    text += fmt::format("  `weir retry {}` runs what did not succeed\n", report.run.run_id);
  if (report.run.state == catalog::RunState::kHeld)
    text +=
        fmt::format("  `weir approve {0}` lets it through, `weir reject {0}` retires the input\n",
                    report.run.run_id);
  return text;
}

}  // namespace weir::cli
