#include <set>

#include "server/routes.h"

namespace weir::server {
namespace {

constexpr int64_t kPageLines = 1000;
/// Numbers of lines are given before their rows can be seen: a line may come behind its successor.
/// Older lines than this have come.
constexpr int64_t kSettledUs = 10'000'000;

Json line_json(const catalog::NumberedLogLine& line) {
  return {{"id", line.task_log_id},  {"at", instant_json(line.at_us)},
          {"task_id", line.task_id}, {"attempt", line.attempt},
          {"level", line.level},     {"message", line.message}};
}

/// Server-sent events (WHATWG HTML, section 9.2): a line of the log each, then `end`.
class LogStream : public Stream {
 public:
  LogStream(const Ground& ground, catalog::LogFilter filter)
      : ground_(ground), filter_(std::move(filter)) {}

  Piece next() override {
    // The state is asked first: what was written until then is read below.
    const auto run = ground_.catalog->flow_run(filter_.run_id);
    if (!run) return broken(run.error());
    std::string text;
    const auto got = read_lines(text);
    if (!got) return broken(got.error());
    if (is_final(run->state) && *got < filter_.limit) {
      const Json end = {{"state", to_text(run->state)}};
      return {text + "event: end\ndata: " + dump_json(end) + "\n\n", true};
    }
    // A comment keeps proxies from giving the connection up.
    if (text.empty() && ++silent_ % 30 == 0) text = ": waiting\n\n";
    return {std::move(text), false};
  }

 private:
  /// How many lines the page had.
  Result<int64_t> read_lines(std::string& text) {
    WEIR_ASSIGN(const auto lines, ground_.catalog->overview().log_page(filter_));
    const int64_t settled_us = ground_.clock->now_us() - kSettledUs;
    bool is_settled = true;
    const bool is_full = static_cast<int64_t>(lines.size()) == filter_.limit;
    for (const auto& line : lines) {
      if (told_.insert(line.task_log_id).second)
        text += fmt::format("id: {}\ndata: {}\n\n", line.task_log_id, dump_json(line_json(line)));
      // A full page goes on behind it in any case: it would be read again for ever.
      is_settled = is_settled && (is_full || line.at_us < settled_us);
      if (is_settled) filter_.after_id = line.task_log_id;
    }
    told_.erase(told_.begin(), told_.upper_bound(filter_.after_id));
    return static_cast<int64_t>(lines.size());
  }

  /// The client comes again with the number of the last line that it has.
  Piece broken(const Error& error) {
    ground_.log->warning("a stream of logs ends: {}", to_line(error));
    return {"", true};
  }

  const Ground& ground_;
  catalog::LogFilter filter_;
  std::set<int64_t> told_;  ///< Behind filter_.after_id.
  int64_t silent_ = 0;
};

/// The number of the line behind which it goes on.
Result<int64_t> last_line_seen(const Call& call) {
  if (call.last_event_id.empty()) return call.number("after", 0);
  const auto number = parse_json(call.last_event_id);
  if (number && number->is_number_unsigned() && *number <= int64_t{1} << 62)
    return number->get<int64_t>();
  return fail(ErrorCode::kInvalidData, "Last-Event-ID is no number of a line");
}

}  // namespace

Result<Answer> get_logs(const Call& call) {
  catalog::LogFilter filter;
  filter.run_id = call.run->run_id;
  filter.task_id = call.text("task_id");
  filter.after_id = call.number("after", 0);
  filter.limit = call.number("limit", kPageLines);
  WEIR_ASSIGN(const auto lines, call.catalog().overview().log_page(filter));
  Json list = Json::array();
  for (const auto& line : lines) list.push_back(line_json(line));
  return json_answer({{"lines", std::move(list)},
                      {"next", lines.empty() ? filter.after_id : lines.back().task_log_id},
                      {"is_final", is_final(call.run->state) &&
                                       static_cast<int64_t>(lines.size()) < filter.limit}});
}

Result<Answer> follow_logs(const Call& call) {
  catalog::LogFilter filter;
  filter.run_id = call.run->run_id;
  filter.task_id = call.text("task_id");
  filter.limit = kPageLines;
  WEIR_ASSIGN(filter.after_id, last_line_seen(call));
  Answer answer;
  answer.content_type = "text/event-stream";
  answer.stream = std::make_unique<LogStream>(*call.ground, std::move(filter));
  return answer;
}

}  // namespace weir::server
