#include <algorithm>
#include <ostream>

#include "base/instant.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/table_text.h"
#include "notify/message.h"
#include "orchestrate/courier.h"

namespace weir::cli {
namespace {

Json to_json(const catalog::KeptNotice& notice) {
  const auto instant = [](int64_t at_us) {
    return at_us == 0 ? Json() : Json(format_instant(at_us));
  };
  return {{"key", notice.key},
          {"rule_id", notice.rule_id},
          {"channel", notice.channel},
          {"event", notice.event},
          {"flow_id", notice.flow_id},
          {"run_id", notice.run_id},
          {"task_id", notice.task_id},
          {"state", notice.state},
          {"attempts", notice.attempts},
          {"created_at", instant(notice.created_at_us)},
          {"not_before", notice.state == "waiting" ? instant(notice.not_before_us) : Json()},
          {"sent_at", instant(notice.sent_at_us)},
          {"subject", notice.payload.value("subject", "")},
          {"error", notice.error_text}};
}

Result<int> list_notices(Session& session, const std::string& state, int64_t limit) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto list, catalog->notices(state, limit));
  std::vector<std::vector<std::string>> rows;
  Json json = Json::array();
  for (const auto& notice : list) {
    rows.push_back({format_instant(notice.created_at_us / 1'000'000 * 1'000'000), notice.channel,
                    notice.state, std::to_string(notice.attempts),
                    printable(notice.payload.value("subject", "")), printable(notice.error_text)});
    json.push_back(to_json(notice));
  }
  if (session.wants_json())
    session.give({{"notifications", std::move(json)}});
  else
    *session.wiring().out << table_text({"at", "channel", "state", "tries", "subject", ""}, rows,
                                        100);
  return 0;
}

Result<int> send_notices(Session& session, bool again) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  const auto services = session.services();
  WEIR_TRY(orchestrate::look_for_silent_runs(services, configuration));
  if (again) WEIR_TRY(catalog->revive_notices());
  WEIR_ASSIGN(const auto report,
              orchestrate::send_due(services, configuration, *session.wiring().cancel));
  WEIR_ASSIGN(auto counts, catalog->count_notices());
  session.say(fmt::format("sent {}; {} wait, {} given up", report.sent, counts["waiting"],
                          counts["failed"]));
  if (!report.first_error.empty() && !session.flags().is_quiet)
    *session.wiring().err << fmt::format("not sent: {}\n", printable(report.first_error));
  session.give({{"sent", report.sent},
                {"failed_tries", report.failed},
                {"waiting", counts["waiting"]},
                {"given_up", counts["failed"]},
                {"error", report.first_error}});
  // Something later may do it: as after any error that is retried.
  return report.failed > 0 ? exit_status(ErrorCode::kUnavailable) : 0;
}

Result<int> test_channel(Session& session, const std::string& id) {
  WEIR_ASSIGN(const auto configuration, resolved_configuration(session));
  WEIR_ASSIGN(const auto connection, orchestrate::find_channel(configuration, id));
  WEIR_ASSIGN(auto channel,
              while_doing(session.services().channel(connection), fmt::format("opening '{}'", id)));
  const Wiring& wiring = session.wiring();
  notify::Message message;
  message.key = make_uuid7(*wiring.clock, *wiring.random);
  message.at_us = wiring.clock->now_us();
  message.severity = "info";
  message.fields = {{"event", "test"},
                    {"severity", "info"},
                    {"project", configuration.project},
                    {"at", format_instant(message.at_us / 1'000'000 * 1'000'000)}};
  message.subject = fmt::format("weir TEST: {}", configuration.project);
  message.body = notify::usual_body(message.fields);
  WEIR_TRY(while_doing(channel->send(message, *wiring.cancel),
                       fmt::format("sending a test to channel '{}'", id)));
  session.say(fmt::format("channel '{}' took the test message {}", id, message.key));
  session.give({{"channel", id}, {"key", message.key}});
  return 0;
}

}  // namespace

void add_notify_commands(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("notify", "Who is told of failures");
  group->require_subcommand(1);
  auto state = std::make_shared<std::string>();
  auto limit = std::make_shared<int64_t>(20);
  auto* list = group->add_subcommand("list", "Messages, newest first, and how they stand");
  list->add_option("--state", *state, "Only these: waiting, sent, failed or suppressed")
      ->check(CLI::IsMember({"waiting", "sent", "failed", "suppressed"}));
  list->add_option("--limit", *limit, "How many")->check(CLI::Range(1, 10'000));
  list->callback([&chosen, state, limit] {
    chosen.action = [=](Session& session) { return list_notices(session, *state, *limit); };
  });
  auto again = std::make_shared<bool>(false);
  auto* send =
      group->add_subcommand("send", "Send what waits, and tell of runs whose process is gone");
  send->add_flag("--again", *again, "Also what was given up, or waits for its next try");
  send->callback([&chosen, again] {
    chosen.action = [=](Session& session) { return send_notices(session, *again); };
  });
  auto channel = std::make_shared<std::string>();
  auto* test = group->add_subcommand("test", "Send a test message to a channel");
  test->add_option("channel", *channel, "Connection, or log")->required();
  test->callback([&chosen, channel] {
    chosen.action = [=](Session& session) { return test_channel(session, *channel); };
  });
}

}  // namespace weir::cli
