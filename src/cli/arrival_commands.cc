#include <algorithm>
#include <istream>
#include <iterator>
#include <ostream>
#include <set>

#include "arrivals/folder_watch.h"
#include "arrivals/queue.h"
#include "arrivals/watch.h"
#include "base/instant.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/run_view.h"
#include "cli/table_text.h"
#include "orchestrate/runner.h"

namespace weir::cli {
namespace {

using arrivals::Watch;

constexpr int64_t kMostBatches = 1000;  // of a queue, each of ten messages

Json instant(int64_t at_us) { return at_us == 0 ? Json() : Json(format_instant(at_us)); }

/// To the second: what people compare.
std::string brief(int64_t at_us) {
  return at_us == 0 ? "" : format_instant(at_us / 1'000'000 * 1'000'000);
}

/// The triggers of the project, or of one flow.
struct Watching {
  model::Configuration configuration;
  std::vector<arrivals::Trigger> triggers;
};

Result<Watching> open_triggers(Session& session, const std::string& flow_id) {
  Watching open;
  WEIR_ASSIGN(open.configuration, resolved_configuration(session));
  const model::Flow* flow = flow_id.empty() ? nullptr : open.configuration.find_flow(flow_id);
  if (!flow_id.empty() && flow == nullptr)
    return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no flow '{}'", flow_id),
                          "`weir validate` names the flows of the project");
  if (flow != nullptr && flow->file_trigger.is_null())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("flow '{}' has no file_trigger", flow_id),
                          "add one: file_trigger: landing/sales/*.csv");
  if (flow != nullptr && !flow->is_enabled)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("flow '{}' is not enabled: nothing triggers it", flow_id),
                          "set is_enabled: true");
  auto triggers = arrivals::triggers_of(open.configuration, session.folder(), flow_id);
  if (!triggers.faults.empty()) return std::unexpected(triggers.faults.front().error);
  if (triggers.usable.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "no enabled flow has a file_trigger",
                          "add one to a flow: file_trigger: landing/sales/*.csv");
  open.triggers = std::move(triggers.usable);
  return open;
}

void show_faults(Session& session, const std::vector<arrivals::Fault>& faults) {
  for (const auto& fault : faults) {
    *session.wiring().err << printable(
        fmt::format("flow '{}' could not look: {}\n", fault.flow_id, to_line(fault.error)));
    session.give(
        {{"event", "fault"},
         {"flow_id", fault.flow_id},
         {"error", {{"code", to_text(fault.error.code)}, {"message", fault.error.message}}}});
  }
}

// ---- list ----------------------------------------------------------------------------------

/// What one run was started for.
struct Taken {
  std::string flow_id;
  std::string run_key;
  int64_t taken_at_us = 0;
  std::vector<std::string> files;
  std::optional<catalog::FlowRun> run;
};

Result<std::vector<Taken>> newest_taken(catalog::Catalog& catalog, const std::string& flow_id,
                                        int64_t limit, int64_t& ignored) {
  WEIR_ASSIGN(const auto known, catalog.arrivals(flow_id));
  std::map<std::string, Taken> by_key;
  for (const auto& file : known.files) {
    if (file.state == catalog::ArrivalState::kIgnored) ++ignored;
    if (file.run_key.empty() || file.taken_at_us == 0) continue;
    Taken& taken = by_key[file.run_key];
    taken.taken_at_us = std::max(taken.taken_at_us, file.taken_at_us);
    taken.files.push_back(file.name);
  }
  std::vector<Taken> all;
  for (auto& [run_key, taken] : by_key) {
    taken.flow_id = flow_id;
    taken.run_key = run_key;
    all.push_back(std::move(taken));
  }
  std::ranges::sort(all, std::greater(),
                    [](const Taken& taken) { return std::pair(taken.taken_at_us, taken.run_key); });
  if (all.size() > static_cast<size_t>(limit)) all.resize(static_cast<size_t>(limit));
  for (auto& taken : all) {
    WEIR_ASSIGN(taken.run, catalog.find_run(flow_id, taken.run_key));
  }
  return all;
}

std::string files_text(const std::vector<std::string>& files) {
  if (files.empty()) return "";
  if (files.size() == 1) return printable(files.front());
  return fmt::format("{} and {} more", printable(files.front()), files.size() - 1);
}

void show_waiting(Session& session, const std::vector<arrivals::Waiting>& waiting, int64_t limit) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& each : waiting) {
    if (rows.size() == static_cast<size_t>(limit)) break;
    rows.push_back({each.flow_id, printable(each.key.empty() ? files_text(each.files) : each.key),
                    std::to_string(each.files.size()), brief(each.since_us),
                    each.is_ready ? "ready" : printable(each.why)});
  }
  std::ostream& out = *session.wiring().out;
  if (rows.empty())
    out << "nothing waits\n";
  else
    out << table_text({"flow", "what", "files", "since", "waits for"}, rows, 100);
  if (waiting.size() > rows.size())
    out << fmt::format("and {} more\n", waiting.size() - rows.size());
}

void show_taken(Session& session, const std::vector<Taken>& all) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& taken : all)
    rows.push_back({taken.flow_id, files_text(taken.files), brief(taken.taken_at_us),
                    taken.run ? taken.run->run_id : "due: not started yet",
                    taken.run ? std::string(to_text(taken.run->state)) : ""});
  if (!rows.empty())
    *session.wiring().out << "\n" << table_text({"flow", "files", "decided", "run", ""}, rows, 100);
}

Json to_json(const arrivals::Waiting& waiting) {
  return {{"flow_id", waiting.flow_id}, {"key", waiting.key},
          {"files", waiting.files},     {"is_ready", waiting.is_ready},
          {"why", waiting.why},         {"since", instant(waiting.since_us)}};
}

Json to_json(const Taken& taken) {
  return {{"flow_id", taken.flow_id},
          {"run_key", taken.run_key},
          {"files", taken.files},
          {"decided_at", instant(taken.taken_at_us)},
          {"run_id", taken.run ? Json(taken.run->run_id) : Json()},
          {"state", taken.run ? Json(to_text(taken.run->state)) : Json("due")}};
}

Result<int> list(Session& session, const std::string& flow_id, int64_t limit) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(auto open, open_triggers(session, flow_id));
  std::vector<std::string> flows;
  for (const auto& trigger : open.triggers) flows.push_back(trigger.flow_id);
  Watch watch(std::move(open.triggers), {catalog, &session.stores()});
  const Wiring& wiring = session.wiring();
  WEIR_ASSIGN(const auto seen, watch.look(wiring.clock->now_us(), *wiring.cancel));
  show_faults(session, seen.faults);
  std::vector<Taken> all;
  int64_t ignored = 0;
  for (const auto& flow : flows) {
    WEIR_ASSIGN(const auto taken, newest_taken(*catalog, flow, limit, ignored));
    all.insert(all.end(), taken.begin(), taken.end());
  }
  if (session.wants_json()) {
    Json waiting = Json::array();
    for (const auto& each : seen.waiting) waiting.push_back(to_json(each));
    Json runs = Json::array();
    for (const auto& each : all) runs.push_back(to_json(each));
    session.give(
        {{"waiting", std::move(waiting)}, {"runs", std::move(runs)}, {"ignored", ignored}});
  } else {
    show_waiting(session, seen.waiting, limit);
    show_taken(session, all);
    if (ignored > 0)
      session.say(
          fmt::format("\n{} files were there before the trigger and are ignored "
                      "(existing: ignore)",
                      ignored));
  }
  return seen.faults.empty() ? 0 : exit_status(seen.faults.front().error.code);
}

// ---- poll ----------------------------------------------------------------------------------

struct PollFlags {
  std::string flow;
  bool runs = false;
  std::string wait = "0s";
  int64_t parallel = 4;
};

/// The queues that the triggers name, each once.
Result<std::vector<std::unique_ptr<arrivals::Queue>>> open_queues(Session& session,
                                                                  const Watching& open) {
  std::set<std::string> ids;
  for (const auto& trigger : open.triggers)
    if (!trigger.settings.events.empty()) ids.insert(trigger.settings.events);
  std::vector<std::unique_ptr<arrivals::Queue>> queues;
  for (const auto& id : ids) {
    const auto* connection = open.configuration.find_connection(id);
    if (connection == nullptr)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("there is no connection '{}'", id),
                            "add it under `connections:` with kind sqs");
    WEIR_ASSIGN(auto queue, while_doing(session.open_queue(*connection),
                                        fmt::format("opening connection '{}'", id)));
    queues.push_back(std::move(queue));
  }
  return queues;
}

/// One command: polls, starts what is due, and waits for more.
class Poller {
 public:
  Poller(Session& session, PollFlags flags) : session_(session), flags_(std::move(flags)) {}

  Result<int> run() {
    WEIR_ASSIGN(catalog_, session_.catalog());
    WEIR_ASSIGN(const int64_t wait_ms, parse_duration_ms(flags_.wait));
    WEIR_ASSIGN(auto open, open_triggers(session_, flags_.flow));
    WEIR_TRY(leave_out_paused(open.triggers));
    WEIR_ASSIGN(queues_, open_queues(session_, open));
    Watch watch(std::move(open.triggers), {catalog_, &session_.stores()});
    WEIR_ASSIGN(folders_, arrivals::watch_folders(arrivals::folders_of(watch)));
    Cancel& cancel = *session_.wiring().cancel;
    const int listener = cancel.add_listener([this] { folders_->wake(); });
    const int64_t until_us = clock().monotonic_us() + wait_ms * 1000;
    auto status = loop(watch, until_us);
    cancel.remove_listener(listener);
    return status;
  }

 private:
  Clock& clock() const { return *session_.wiring().clock; }

  /// What comes for them waits until they are resumed.
  Status leave_out_paused(std::vector<arrivals::Trigger>& triggers) {
    WEIR_ASSIGN(const auto states, catalog_->flow_states());
    for (const auto& state : states) {
      if (!state.is_paused) continue;
      const auto is_its = [&](const auto& trigger) { return trigger.flow_id == state.flow_id; };
      if (std::erase_if(triggers, is_its) > 0)
        session_.say(fmt::format("flow '{}' is paused{}", state.flow_id,
                                 state.pause_reason.empty() ? "" : ": " + state.pause_reason));
    }
    return {};
  }

  Result<int> loop(Watch& watch, int64_t until_us) {
    int64_t queue_wait_ms = 0;
    for (bool is_first = true;; is_first = false) {
      WEIR_TRY(session_.wiring().cancel->check());
      WEIR_TRY(take_in_all(queue_wait_ms));
      const auto detail = is_first ? Watch::Detail::kWaiting : Watch::Detail::kDue;
      WEIR_ASSIGN(const auto polled,
                  watch.poll(clock().now_us(), *session_.wiring().cancel, detail));
      WEIR_TRY(handle(polled));
      if (flags_.runs && !polled.due.empty()) continue;  // more may be due by now
      const int64_t left_us = until_us - clock().monotonic_us();
      if (found_ > 0 || left_us <= 0) return finish(polled);
      const int64_t next_us = polled.next_poll_at_us - clock().now_us();
      const int64_t pause_ms = (std::clamp<int64_t>(next_us, 0, left_us) + 999) / 1000;
      // One place can be waited at; who has queues looks into the folders after each of them.
      queue_wait_ms = queues_.empty() ? 0 : std::min<int64_t>(pause_ms, 1000);
      WEIR_ASSIGN(const auto changes, folders_->wait(queues_.empty() ? pause_ms : 0));
      arrivals::pass_on(changes, watch);
    }
  }

  Status take_in_all(int64_t wait_ms) {
    for (auto& queue : queues_) {
      for (int64_t batch = 0; batch < kMostBatches; ++batch) {
        WEIR_ASSIGN(const auto taken, arrivals::take_in(*queue, *catalog_, clock(), wait_ms,
                                                        *session_.wiring().cancel));
        if (taken.unreadable > 0)
          *session_.wiring().err << fmt::format(
              "{} messages are no events of files; they are kept in event_inbox\n",
              taken.unreadable);
        if (taken.messages == 0) break;
        wait_ms = 0;
      }
    }
    return {};
  }

  Status handle(const arrivals::Polled& polled) {
    show_faults(session_, polled.faults);
    if (!polled.faults.empty()) worst_ = exit_status(polled.faults.front().error.code);
    for (const auto& late : polled.late) {
      session_.say(
          printable(fmt::format("late: flow '{}': {}{}{}, since {}", late.flow_id, late.key,
                                late.key.empty() ? "" : ": ", late.text, brief(late.since_us))));
      session_.give({{"event", "late"},
                     {"flow_id", late.flow_id},
                     {"kind", late.kind},
                     {"key", late.key},
                     {"since", instant(late.since_us)},
                     {"text", late.text},
                     {"fact_key", late.fact_key}});
    }
    for (const auto& due : polled.due) {
      ++found_;
      WEIR_TRY(flags_.runs ? start(due) : show(due));
    }
    return {};
  }

  Status show(const arrivals::DueRun& due) {
    std::vector<std::string> files;
    for (const auto& file : due.files) files.push_back(file.name);
    session_.say(fmt::format("due: flow '{}' with {}", due.flow_id, files_text(files)));
    session_.give({{"event", "due"},
                   {"flow_id", due.flow_id},
                   {"run_key", due.run_key},
                   {"params", due.params},
                   {"files", files}});
    return {};
  }

  Status start(const arrivals::DueRun& due) {
    WEIR_TRY(show(due));
    WEIR_ASSIGN(const auto pinned,
                pin_head(session_, {.flow_id = due.flow_id, .params = due.params}, false));
    RunView view(session_);
    auto services = session_.services();
    services.on_event = [&](const orchestrate::Event& event) { view.show(event); };
    orchestrate::RunRequest request;
    request.flow_id = due.flow_id;
    request.run_key = due.run_key;
    request.params = due.params;
    request.trigger = "file";
    request.max_parallel_tasks = flags_.parallel;
    WEIR_ASSIGN(const auto report,
                orchestrate::run_flow(services, pinned, request, *session_.wiring().cancel));
    session_.say(fmt::format("run {} is {}", report.run.run_id, to_text(report.run.state)));
    session_.give({{"event", "run"},
                   {"run_id", report.run.run_id},
                   {"flow_id", report.run.flow_id},
                   {"run_key", report.run.run_key},
                   {"state", to_text(report.run.state)}});
    if (const int status = orchestrate::exit_status(report); worst_ == 0) worst_ = status;
    return {};
  }

  int finish(const arrivals::Polled& polled) {
    if (found_ == 0) {
      session_.say("nothing is due");
      for (const auto& each : polled.waiting)
        session_.say(
            printable(fmt::format("waits: flow '{}': {}: {}", each.flow_id, each.key, each.why)));
    }
    session_.give(
        {{"event", "polled"}, {"due", found_}, {"next_poll_at", instant(polled.next_poll_at_us)}});
    return worst_;
  }

  Session& session_;
  const PollFlags flags_;
  catalog::Catalog* catalog_ = nullptr;
  std::vector<std::unique_ptr<arrivals::Queue>> queues_;
  std::unique_ptr<arrivals::FolderWatch> folders_;
  int64_t found_ = 0;
  int worst_ = 0;
};

Result<int> tell(Session& session) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  const Wiring& wiring = session.wiring();
  const std::string body(std::istreambuf_iterator<char>(*wiring.in), {});
  WEIR_ASSIGN(const int64_t added, arrivals::take_body(body, *catalog, *wiring.clock));
  session.say(fmt::format("{} new events; `weir arrivals poll` looks at their files", added));
  session.give({{"new_events", added}});
  return 0;
}

}  // namespace

void add_arrival_commands(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("arrivals", "Files that start flows");
  group->require_subcommand(1);
  auto flow = std::make_shared<std::string>();
  auto limit = std::make_shared<int64_t>(20);
  auto* list_command =
      group->add_subcommand("list", "What waits and for what, and what started which run");
  list_command->add_option("flow", *flow, "Only of this flow");
  list_command->add_option("--limit", *limit, "How many of each")->check(CLI::Range(1, 10'000));
  list_command->callback([&chosen, flow, limit] {
    chosen.action = [=](Session& session) { return list(session, *flow, *limit); };
  });
  auto flags = std::make_shared<PollFlags>();
  auto* poll = group->add_subcommand("poll", "Look for files, and decide which runs are due");
  poll->add_option("flow", flags->flow, "Only of this flow");
  poll->add_flag("--run", flags->runs, "Run what is due to its end");
  poll->add_option("--wait", flags->wait, "Look again for so long, until something is due");
  poll->add_option("--parallel", flags->parallel, "Tasks at once")->check(CLI::Range(1, 64));
  poll->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return Poller(session, *flags).run(); };
  });
  group->add_subcommand("tell", "Take in events from standard input: the body of a webhook")
      ->callback([&chosen] { chosen.action = tell; });
}

}  // namespace weir::cli
