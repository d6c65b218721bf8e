#include <algorithm>
#include <ostream>

#include "cli/commands.h"
#include "cli/open_lake.h"
#include "cli/result_view.h"
#include "cli/table_text.h"
#include "lake/changes.h"
#include "lake/maintenance.h"

namespace weir::cli {
namespace {

struct MaintenanceFlags {
  std::string table;
  std::string instant;
  int64_t retain_commits = 10;
  int64_t keep_commits = 1000;
  int64_t keep_days = 10;
  int64_t small_file_mb = 30;
  int64_t target_file_mb = 120;
  bool reads_contents = false;
  std::string from;
  std::string to;
  int64_t limit = 1000;
};

/// The lake that the words are about: the project's, or, where there is none, tables by their
/// roots.
Result<std::unique_ptr<OpenLake>> lake_of(Session& session, const MaintenanceFlags& flags) {
  const bool is_path = flags.table.find('/') != std::string::npos;
  auto open = open_lake(session);
  if (!open && is_path && !session.has_yaml() && !session.names_catalog())
    return lake_without_project(session);
  return open;
}

/// With the catalog's lease where there is a catalog.
Result<std::unique_ptr<lake::HeldTable>> hold(Session& session, const OpenLake& open,
                                              const MaintenanceFlags& flags) {
  catalog::Catalog* catalog = nullptr;
  if (session.has_yaml() || session.names_catalog()) {
    WEIR_ASSIGN(catalog, session.catalog(false));
  }
  return lake::HeldTable::take(open.lake, catalog, flags.table, session.services().holder);
}

/// What a clean archives at once, at least: less is left for the next.
constexpr int64_t kLeastCommitsToTrim = 100;

void say_trimmed(Session& session, const table::Trimmed& trimmed) {
  if (trimmed.commits > 0)
    session.say(fmt::format("{} commits are archived; the timeline begins with {}",
                            with_commas(trimmed.commits), trimmed.earliest));
  if (!trimmed.held_by.empty())
    session.say(fmt::format("more would be, but {}; `weir table check` tells of leftovers",
                            trimmed.held_by));
}

Json to_json(const table::Trimmed& trimmed) {
  return {{"commits", trimmed.commits},
          {"instants", trimmed.instants},
          {"earliest", trimmed.earliest},
          {"held_by", trimmed.held_by}};
}

Result<int> trim(Session& session, const MaintenanceFlags& flags) {
  WEIR_ASSIGN(const auto open, lake_of(session, flags));
  WEIR_ASSIGN(const auto held, hold(session, *open, flags));
  WEIR_ASSIGN(const auto trimmed,
              table::trim(held->context(), held->table(),
                          {.keep_commits = flags.keep_commits, .keep_days = flags.keep_days},
                          *session.wiring().cancel));
  session.give(to_json(trimmed));
  if (trimmed.commits == 0) session.say("there is nothing to archive");
  say_trimmed(session, trimmed);
  return 0;
}

/// What a clean leaves behind of the timeline. Nothing in tables that others archive.
Result<table::Trimmed> trim_cleaned(Session& session, lake::HeldTable& held,
                                    const MaintenanceFlags& flags) {
  table::TrimOptions options;
  options.keep_commits = std::max(flags.keep_commits, flags.retain_commits);
  options.keep_days = flags.keep_days;
  options.least_commits = kLeastCommitsToTrim;
  auto trimmed = table::trim(held.context(), held.table(), options, *session.wiring().cancel);
  if (!trimmed && trimmed.error().code == ErrorCode::kUnsupported) return table::Trimmed{};
  return trimmed;
}

Result<int> clean(Session& session, const MaintenanceFlags& flags) {
  WEIR_ASSIGN(const auto open, lake_of(session, flags));
  WEIR_ASSIGN(const auto held, hold(session, *open, flags));
  WEIR_ASSIGN(const auto cleaned, table::clean(held->context(), held->table(),
                                               {.retain_commits = flags.retain_commits}));
  WEIR_ASSIGN(const auto trimmed, trim_cleaned(session, *held, flags));
  session.give({{"instant", cleaned.instant},
                {"files", cleaned.files},
                {"bytes", cleaned.bytes},
                {"earliest_retained", cleaned.earliest_retained},
                {"trimmed", to_json(trimmed)}});
  session.say(cleaned.files == 0
                  ? std::string("there is nothing to clean")
                  : fmt::format("{} files ({}) are gone; versions from {} on stay readable",
                                cleaned.files, megabytes(cleaned.bytes),
                                cleaned.earliest_retained));
  say_trimmed(session, trimmed);
  return 0;
}

Result<int> optimize(Session& session, const MaintenanceFlags& flags) {
  WEIR_ASSIGN(const auto open, lake_of(session, flags));
  WEIR_ASSIGN(const auto held, hold(session, *open, flags));
  table::CompactOptions options;
  options.small_file_bytes = flags.small_file_mb << 20;
  options.target_file_bytes = flags.target_file_mb << 20;
  options.write_token = held->write_token();
  WEIR_ASSIGN(const auto compacted,
              table::compact(held->context(), held->table(), options, *session.wiring().cancel));
  session.give({{"instant", compacted.instant},
                {"groups_before", compacted.groups_before},
                {"groups_after", compacted.groups_after},
                {"rows", compacted.rows}});
  session.say(compacted.instant.empty()
                  ? std::string("there are no small files to join")
                  : fmt::format("{} small files became {} with the same {} rows (commit {}); "
                                "`weir table clean` removes the old ones in time",
                                compacted.groups_before, compacted.groups_after,
                                with_commas(compacted.rows), compacted.instant));
  return 0;
}

Result<int> roll_back(Session& session, const MaintenanceFlags& flags) {
  WEIR_ASSIGN(const auto open, lake_of(session, flags));
  WEIR_ASSIGN(const auto held, hold(session, *open, flags));
  WEIR_ASSIGN(const auto newest, table::roll_back(held->context(), held->table(), flags.instant));
  session.give({{"rolled_back", flags.instant}, {"newest", newest}});
  session.say(
      newest.empty()
          ? fmt::format("{} is taken back; the table has no commit now", flags.instant)
          : fmt::format("{} is taken back; the newest commit is {}", flags.instant, newest));
  return 0;
}

int give_findings(Session& session, const std::vector<table::Finding>& findings) {
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  bool is_well = true;
  for (const auto& finding : findings) {
    is_well = is_well && finding.is_repaired;
    rows.push_back({std::string(to_text(finding.kind)), finding.object, finding.says,
                    finding.is_repaired ? "yes" : "no"});
    list.push_back({{"kind", to_text(finding.kind)},
                    {"object", finding.object},
                    {"says", finding.says},
                    {"repaired", finding.is_repaired}});
  }
  session.give({{"findings", std::move(list)}});
  if (!session.wants_json() && !rows.empty())
    *session.wiring().out << table_text({"what", "object", "", "repair mends it"}, rows, 110);
  if (rows.empty()) session.say("everything is as its commits say");
  return is_well ? 0 : 1;
}

Result<int> check(Session& session, const MaintenanceFlags& flags) {
  WEIR_ASSIGN(const auto open, lake_of(session, flags));
  WEIR_ASSIGN(const auto read, lake::open_for_reading(open->lake, flags.table));
  WEIR_ASSIGN(auto findings,
              table::check(read.context, *read.table, {.reads_contents = flags.reads_contents},
                           *session.wiring().cancel));
  const int status = give_findings(session, findings);
  return findings.empty() ? status : 1;
}

Result<int> repair(Session& session, const MaintenanceFlags& flags) {
  WEIR_ASSIGN(const auto open, lake_of(session, flags));
  WEIR_ASSIGN(const auto held, hold(session, *open, flags));
  WEIR_ASSIGN(const auto findings,
              table::repair(held->context(), held->table(), *session.wiring().cancel));
  return give_findings(session, findings);
}

/// Rows on stdout, what they are of on stderr; as JSON all in one object.
Result<int> changes(Session& session, const MaintenanceFlags& flags) {
  WEIR_ASSIGN(const auto open, lake_of(session, flags));
  WEIR_ASSIGN(const auto changed,
              lake::changed_rows(open->lake, flags.table, flags.from, flags.to, flags.limit));
  const auto shown = static_cast<int64_t>(changed.rows.rows.size());
  if (session.wants_json()) {
    Json commits = Json::array();
    for (const auto& commit : changed.changes.commits)
      commits.push_back({{"instant", commit.time},
                         {"action", commit.action},
                         {"operation", commit.operation_type},
                         {"inserts", commit.inserts},
                         {"updates", commit.updates},
                         {"deletes", commit.deletes}});
    session.give({{"from", changed.changes.from},
                  {"to", changed.changes.to},
                  {"commits", std::move(commits)},
                  {"rows", lake::rows_as_json(changed.rows)},
                  {"rows_in_all", changed.all_rows}});
    return 0;
  }
  give_result(session, changed.rows);
  if (shown < changed.all_rows)
    session.say(fmt::format("the first {} of {} rows; --limit takes more", with_commas(shown),
                            with_commas(changed.all_rows)));
  session.say(fmt::format("{} commits up to {}; the next --from is {}",
                          changed.changes.commits.size(),
                          changed.changes.to.empty() ? std::string("none") : changed.changes.to,
                          changed.changes.to.empty() ? std::string("\"\"") : changed.changes.to));
  return 0;
}

using Maintenance = Result<int> (*)(Session&, const MaintenanceFlags&);
CLI::App* add(CLI::App& table, Chosen& chosen, const std::shared_ptr<MaintenanceFlags>& flags,
              const char* word, const char* doc, Maintenance action) {
  auto* command = table.add_subcommand(word, doc);
  command->add_option("table", flags->table, "layer.name, or the root of any Hudi table")
      ->required();
  command->callback([&chosen, flags, action] {
    chosen.action = [=](Session& session) { return action(session, *flags); };
  });
  return command;
}

void add_trim_flags(CLI::App& command, MaintenanceFlags& flags) {
  command
      .add_option("--keep-commits", flags.keep_commits,
                  "The newest commits that stay on the timeline; older ones go into an archive")
      ->check(CLI::Range(2, 10'000'000));
  command
      .add_option("--keep-days", flags.keep_days,
                  "Commits younger than that stay as well; fewer days than a writer may hang and "
                  "then go on are not safe")
      ->check(CLI::Range(0, 10'000));
}

}  // namespace

void add_maintenance_commands(CLI::App& table, Chosen& chosen) {
  auto flags = std::make_shared<MaintenanceFlags>();
  auto* cleaning =
      add(table, chosen, flags, "clean", "Remove files that no retained version needs", clean);
  cleaning->add_option("--retain-commits", flags->retain_commits, "Versions that stay readable")
      ->check(CLI::Range(1, 1'000'000));
  add_trim_flags(*cleaning, *flags);
  auto* trimming = add(table, chosen, flags, "trim",
                       "Archive the oldest commits, so that the timeline stays short", trim);
  add_trim_flags(*trimming, *flags);
  auto* joining =
      add(table, chosen, flags, "optimize", "Join small files into larger ones", optimize);
  joining->add_option("--small-file-mb", flags->small_file_mb, "Files below it are joined")
      ->check(CLI::Range(1, 100'000));
  joining->add_option("--target-file-mb", flags->target_file_mb, "Into files of about this size")
      ->check(CLI::Range(1, 100'000));
  auto* taking_back =
      add(table, chosen, flags, "rollback", "Take the newest commit back", roll_back);
  taking_back->add_option("instant", flags->instant, "The newest commit's instant")->required();
  auto* checking = add(table, chosen, flags, "check",
                       "Compare a table with what its commits say, and find leftovers", check);
  checking->add_flag("--contents", flags->reads_contents,
                     "Read every live file and compare hashes");
  auto* changing = add(table, chosen, flags, "changes",
                       "Rows that came or changed between two versions, by their newest change "
                       "(Hudi keeps no trace of deleted ones)",
                       changes);
  changing->add_option("--from", flags->from, "After this instant; all rows by default");
  changing->add_option("--to", flags->to, "Up to this instant; the newest by default");
  changing->add_option("--limit", flags->limit, "Most rows")->check(CLI::Range(1, 10'000'000));
  add(table, chosen, flags, "repair", "Undo leftovers of writers that died", repair);
}

}  // namespace weir::cli
