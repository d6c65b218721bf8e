#include "server/metrics.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include <fmt/format.h>

namespace weir::server {
namespace {

/// Label values escape `\`, `"` and line ends.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\' || c == '"') result += '\\';
    if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result;
}

std::string number_text(double value) {
  if (std::isfinite(value) && value == std::floor(value) && std::abs(value) < 1e15)
    return fmt::format("{}", static_cast<int64_t>(value));
  return fmt::format("{}", value);
}

double seconds(int64_t us) { return static_cast<double>(us) / 1e6; }

/// CPU time in seconds, all threads: fields 14 and 15 of /proc/self/stat, after the name in
/// parentheses.
double cpu_seconds() {
  std::ifstream file("/proc/self/stat");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream fields(text.substr(end_of_name + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double all = 0;
  double resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

int64_t open_files() {
  std::error_code problem;
  int64_t count = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", problem), end; !problem && at != end;
       at.increment(problem))
    ++count;
  return count;
}

void add_by(Exposition& out, std::string_view label, const std::map<std::string, int64_t>& values) {
  for (const auto& [name, value] : values) out.sample({{label, name}}, static_cast<double>(value));
}

void add_catalog(Exposition& out, const catalog::Numbers& numbers) {
  out.family("weir_runs", "gauge", "Runs in the catalog, by state.");
  add_by(out, "state", numbers.runs);
  out.family("weir_tasks", "gauge", "Tasks of runs that have not ended, by state.");
  add_by(out, "state", numbers.tasks);
  out.family("weir_notifications", "gauge", "Messages to people, by state.");
  add_by(out, "state", numbers.notices);
  out.family("weir_open_holds", "gauge", "Loads that wait for approve or reject.");
  out.sample({}, static_cast<double>(numbers.open_holds));
  out.family("weir_flow_last_success_timestamp_seconds", "gauge",
             "When the newest run of a flow that succeeded ended.");
  for (const auto& [flow, at_us] : numbers.last_success_us)
    out.sample({{"flow", flow}}, seconds(at_us));
}

void add_waiting_starts(Exposition& out, const std::vector<catalog::WaitingStart>& starts) {
  out.family("weir_waiting_starts", "gauge", "Flows whose runs are due and cannot start.");
  out.sample({}, static_cast<double>(starts.size()));
  out.family("weir_waiting_start_since_timestamp_seconds", "gauge",
             "Since when a run of the flow is due and cannot start.");
  for (const auto& start : starts)
    out.sample({{"flow", start.flow_id}, {"trigger", start.trigger}}, seconds(start.since_us));
}

void add_scheduler(Exposition& out, const SchedulerState& state) {
  out.family("weir_queue_length", "gauge", "What waits, by queue.");
  add_by(out, "queue", state.queue_length);
  if (state.scheduler_lag_us >= 0) {
    out.family("weir_scheduler_lag_seconds", "gauge", "How late what is due is started.");
    out.sample({}, seconds(state.scheduler_lag_us));
  }
  out.family("weir_scheduler_decision_seconds", "summary",
             "Time to find out which runs are due, once some are.");
  out.sample({}, seconds(state.deciding_us), "_sum");
  out.sample({}, static_cast<double>(state.decisions), "_count");
  out.family("weir_ready", "gauge", "Whether the server takes work.");
  out.sample({}, state.is_ready ? 1 : 0);
}

void add_usage(Exposition& out, const TaskUsage& usage) {
  const auto samples = [&](const auto& value_of) {
    for (const auto& [key, took] : usage.by_flow)
      out.sample({{"flow", key.first}, {"template", key.second}}, value_of(took));
  };
  out.family("weir_task_attempts_total", "counter", "Attempts of tasks that ended here.");
  samples([](const TaskUsage::Took& took) { return static_cast<double>(took.attempts); });
  out.family("weir_task_cpu_seconds_total", "counter",
             "CPU time of those attempts, with the programs that they started.");
  samples([](const TaskUsage::Took& took) { return static_cast<double>(took.cpu_ms) / 1e3; });
  out.family("weir_task_peak_memory_bytes", "histogram",
             "Most memory of an attempt, with the programs that it started.");
  for (const auto& [template_id, peaks] : usage.by_template) {
    for (size_t i = 0; i < peaks.buckets.size(); ++i)
      out.sample({{"template", template_id},
                  {"le", number_text(static_cast<double>(TaskUsage::kBounds[i]))}},
                 static_cast<double>(peaks.buckets[i]), "_bucket");
    const auto count = static_cast<double>(peaks.count);
    out.sample({{"template", template_id}, {"le", "+Inf"}}, count, "_bucket");
    out.sample({{"template", template_id}}, static_cast<double>(peaks.sum_bytes), "_sum");
    out.sample({{"template", template_id}}, count, "_count");
  }
}

}  // namespace

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Exposition::sample(const Labels& labels, double value, std::string_view suffix) {
  text_ += name_;
  text_ += suffix;
  std::string_view before = "{";
  for (const auto& [name, word] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", before, name, escaped(word));
    before = ",";
  }
  if (!labels.empty()) text_ += '}';
  text_ += ' ';
  text_ += number_text(value);
  text_ += '\n';
}

void Metrics::note_request(const std::string& route, int status, int64_t took_us) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, status}];
  Latency& latency = latencies_[route];
  ++latency.count;
  latency.sum_us += took_us;
  for (size_t i = 0; i < kBounds.size(); ++i) {
    if (seconds(took_us) <= kBounds[i]) ++latency.buckets[i];
  }
}

void Metrics::add_requests(Exposition& out) const {
  const std::lock_guard lock(mutex_);
  out.family("weir_http_requests_total", "counter", "Requests answered, by route and status.");
  for (const auto& [key, count] : requests_)
    out.sample({{"route", key.first}, {"status", std::to_string(key.second)}},
               static_cast<double>(count));
  out.family("weir_http_request_duration_seconds", "histogram",
             "Time from the head of a request to its answer.");
  for (const auto& [route, latency] : latencies_) {
    for (size_t i = 0; i < kBounds.size(); ++i)
      out.sample({{"route", route}, {"le", number_text(kBounds[i])}},
                 static_cast<double>(latency.buckets[i]), "_bucket");
    out.sample({{"route", route}, {"le", "+Inf"}}, static_cast<double>(latency.count), "_bucket");
    out.sample({{"route", route}}, seconds(latency.sum_us), "_sum");
    out.sample({{"route", route}}, static_cast<double>(latency.count), "_count");
  }
  out.family("weir_http_connections", "gauge", "Open connections.");
  out.sample({}, static_cast<double>(connections_.load()));
  out.family("weir_http_streams", "gauge", "Streams of logs that are followed.");
  out.sample({}, static_cast<double>(streams_.load()));
  out.family("weir_http_turned_away_total", "counter",
             "Connections closed because there were too many.");
  out.sample({}, static_cast<double>(turned_away_.load()));
}

void Metrics::add_certificate(Exposition& out) const {
  if (certificate_expires_us_ == 0) return;
  out.family("weir_tls_certificate_expiry_timestamp_seconds", "gauge",
             "When the certificate that is in use expires.");
  out.sample({}, seconds(certificate_expires_us_));
  out.family("weir_tls_certificate_reloads_total", "counter",
             "How often new files of the certificate were read, by what came of it.");
  out.sample({{"result", "taken"}}, static_cast<double>(certificates_taken_.load()));
  out.sample({{"result", "refused"}}, static_cast<double>(certificates_refused_.load()));
}

void Metrics::add_process(Exposition& out) const {
  out.family("weir_build_info", "gauge", "The version of this program.");
  out.sample({{"version", version_}, {"duckdb", engine_version_}}, 1);
  out.family("process_start_time_seconds", "gauge", "When this server was started.");
  out.sample({}, seconds(started_at_us_));
  out.family("process_cpu_seconds_total", "counter", "CPU time spent.");
  out.sample({}, cpu_seconds());
  out.family("process_resident_memory_bytes", "gauge", "Memory in use.");
  out.sample({}, resident_bytes());
  out.family("process_open_fds", "gauge", "Open files and sockets.");
  out.sample({}, static_cast<double>(open_files()));
}

std::string Metrics::text(const catalog::Numbers& numbers, const SchedulerState& state,
                          const TaskUsage& usage) const {
  Exposition out;
  add_catalog(out, numbers);
  add_waiting_starts(out, numbers.waiting_starts);
  add_scheduler(out, state);
  add_usage(out, usage);
  add_requests(out);
  add_certificate(out);
  add_process(out);
  return out.text();
}

}  // namespace weir::server
