#include "cli/pruning.h"

#include <limits>

#include "base/instant.h"
#include "cli/commands.h"
#include "cli/shown_run.h"

namespace weir::cli {
namespace {

struct PruneFlags {
  std::string older_than;
  int64_t keep = 20;
  bool is_rehearsal = false;
};

void add(catalog::Pruned& sum, const catalog::Pruned& more) {
  sum.runs += more.runs;
  sum.tasks += more.tasks;
  sum.log_lines += more.log_lines;
  sum.messages += more.messages;
  sum.versions += more.versions;
  sum.has_more = more.has_more;
}

Result<int> prune_all(Session& session, const PruneFlags& flags) {
  WEIR_ASSIGN(const int64_t age_ms, read_age(flags.older_than, "--older-than"));
  WEIR_TRY(session.catalog(false));
  catalog::PruneRequest request;
  request.keep = flags.keep;
  request.is_rehearsal = flags.is_rehearsal;
  // A rehearsal removes nothing: asked again it would say the same.
  if (flags.is_rehearsal) request.most = std::numeric_limits<int32_t>::max();
  catalog::Pruned sum;
  do {
    WEIR_TRY(session.wiring().cancel->check());
    WEIR_ASSIGN(const auto pruned, prune(session, age_ms, request, author_of(session)));
    add(sum, pruned);
  } while (sum.has_more);
  if (session.wants_json())
    session.give(
        {{"event", flags.is_rehearsal ? "would_prune" : "pruned"}, {"rows", to_json(sum)}});
  session.say((flags.is_rehearsal ? "would remove " : "removed ") + text_of(sum));
  return 0;
}

}  // namespace

Result<int64_t> read_age(const std::string& text, const std::string& flag) {
  WEIR_ASSIGN(const int64_t age_ms, while_doing(parse_duration_ms(text), "reading " + flag));
  if (age_ms >= kShortestKeepMs) return age_ms;
  return fail_with_hint(ErrorCode::kInvalidConfig,
                        fmt::format("{} {} is shorter than 1d", flag, text),
                        "write 90d, such as it takes to look into what went wrong");
}

Result<catalog::Pruned> prune(Session& session, int64_t age_ms, catalog::PruneRequest request,
                              const std::string& author) {
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
  request.before_us = session.wiring().clock->now_us() - age_ms * 1000;
  WEIR_ASSIGN(const auto pruned, catalog->retention().prune(request));
  if (!request.is_rehearsal && !pruned.is_nothing())
    WEIR_TRY(
        catalog->audit(author, "prune runs",
                       {{"before", format_instant(request.before_us)}, {"rows", to_json(pruned)}}));
  return pruned;
}

std::string text_of(const catalog::Pruned& pruned) {
  return fmt::format(
      "{} runs with {} tasks and {} lines of logs, {} messages that were sent or given up, {} "
      "versions that no run uses",
      pruned.runs, pruned.tasks, pruned.log_lines, pruned.messages, pruned.versions);
}

Json to_json(const catalog::Pruned& pruned) {
  return {{"runs", pruned.runs},
          {"tasks", pruned.tasks},
          {"log_lines", pruned.log_lines},
          {"messages", pruned.messages},
          {"versions", pruned.versions}};
}

void add_prune_command(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<PruneFlags>();
  auto* command = app.add_subcommand(
      "prune",
      "Forget runs that ended long ago: their tasks, logs and counts of rejected rows, messages "
      "that were sent, and versions of the configuration that no run uses. The lake, the audit "
      "log, "
      "reconciliations and what files arrived stay. A run that has not ended or waits for a "
      "decision stays, as do the newest of each flow and its last success");
  command->add_option("--older-than", flags->older_than, "Such as 90d; at least 1d")->required();
  command->add_option("--keep", flags->keep, "The newest runs of each flow stay (default: 20)")
      ->check(CLI::Range(1, 1'000'000));
  command->add_flag("--dry-run", flags->is_rehearsal, "Say what would go, and remove nothing");
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return prune_all(session, *flags); };
  });
}

}  // namespace weir::cli
