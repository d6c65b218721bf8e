#include <ostream>

#include "base/instant.h"
#include "base/nearest.h"
#include "base/printable.h"
#include "cli/commands.h"
#include "cli/open_lake.h"
#include "cli/result_view.h"
#include "cli/run_view.h"
#include "cli/table_text.h"
#include "lake/chain.h"
#include "lake/tables.h"

namespace weir::cli {
namespace {

Result<model::DatasetName> dataset_of(const OpenLake& open, const std::string& word) {
  WEIR_ASSIGN(auto name, model::parse_dataset_name(word));
  std::vector<std::string> known;
  for (const auto& each : lake::known_datasets(open.configuration)) {
    if (each == name || each.rejected() == name) return name;
    known.push_back(each.text());
  }
  const std::string guess = did_you_mean(word, known);
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no dataset '{}'", word),
                        guess.empty() ? "`weir table list` shows them" : guess);
}

Result<int> list_tables(Session& session) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const auto& name : lake::known_datasets(open->configuration)) {
    WEIR_ASSIGN(const auto info, lake::table_info(open->lake, name));
    rows.push_back({name.text(), info.format.empty() ? "(empty)" : info.format,
                    with_commas(info.rows), std::to_string(info.commits), info.as_of,
                    megabytes(info.size_bytes), info.uri});
    list.push_back({{"dataset", name.text()},
                    {"format", info.format},
                    {"uri", info.uri},
                    {"rows", info.rows},
                    {"commits", info.commits},
                    {"instant", info.instant},
                    {"as_of", info.as_of},
                    {"size_bytes", info.size_bytes}});
  }
  if (session.wants_json())
    session.give({{"tables", std::move(list)}});
  else
    *session.wiring().out << table_text(
        {"dataset", "format", "rows", "commits", "as of", "size", "where"}, rows, 70);
  return 0;
}

Result<int> show_table(Session& session, const std::string& word) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  WEIR_ASSIGN(const auto name, dataset_of(*open, word));
  WEIR_ASSIGN(const auto info, lake::table_info(open->lake, name));
  WEIR_ASSIGN(const auto commits, lake::table_commits(open->lake, name));
  if (session.wants_json()) {
    Json list = Json::array();
    for (const auto& commit : commits) list.push_back(model::to_json(commit));
    session.give({{"dataset", name.text()},
                  {"format", info.format},
                  {"uri", info.uri},
                  {"rows", info.rows},
                  {"instant", info.instant},
                  {"schema", model::to_json(info.schema)},
                  {"commits", std::move(list)}});
    return 0;
  }
  auto& out = *session.wiring().out;
  out << fmt::format("{} ({}) at {}\n{} rows, {}\n\n", name.text(),
                     info.format.empty() ? "empty" : info.format, info.uri, with_commas(info.rows),
                     megabytes(info.size_bytes));
  std::vector<std::vector<std::string>> columns;
  for (const auto& column : info.schema) columns.push_back({column.name, to_text(column.type)});
  out << table_text({"column", "type"}, columns) << "\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& commit : commits)
    rows.push_back({commit.instant.empty() ? commit.object_name : commit.instant,
                    commit.as_of_us ? format_instant(*commit.as_of_us) : "",
                    counts_text(commit.counts)});
  out << table_text({info.format == "hudi" ? "instant" : "object", "as of", "rows"}, rows, 110);
  return 0;
}

struct ReadFlags {
  std::string dataset;
  std::vector<std::string> key;
  std::string sql;
  std::string at;
  std::string as_of;
  int64_t limit = 1000;
};

Result<int> history(Session& session, const ReadFlags& flags) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  WEIR_ASSIGN(const auto name, dataset_of(*open, flags.dataset));
  lake::AsOf at;
  at.instant = flags.at;
  if (!flags.as_of.empty()) {
    WEIR_ASSIGN(at.valid_at_us, parse_instant(flags.as_of));
  }
  WEIR_ASSIGN(const auto result, lake::key_history(open->lake, name, flags.key, at));
  give_result(session, result);
  return 0;
}

Result<int> query(Session& session, const ReadFlags& flags) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  WEIR_ASSIGN(const auto result, lake::query(open->lake, flags.sql, flags.at, flags.limit));
  give_result(session, result);
  return 0;
}

Result<int> verify(Session& session, const ReadFlags& flags) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  WEIR_ASSIGN(const auto name, dataset_of(*open, flags.dataset));
  WEIR_ASSIGN(const std::string digest, lake::digest(open->lake, name, flags.at));
  WEIR_ASSIGN(const auto buckets, lake::check_buckets(open->lake, name, flags.at));
  Json misplaced = Json::array();
  for (const auto& each : buckets.misplaced) {
    misplaced.push_back({{"file", each.file},
                         {"rows", each.rows},
                         {"key", each.key},
                         {"bucket", each.bucket},
                         {"belongs", each.belongs}});
    session.say(fmt::format(
        "{}: {} rows are not of bucket {}: the key '{}' belongs into {}, where Spark will not "
        "find it and makes a second row",
        each.file, with_commas(each.rows), each.bucket, printable(each.key), each.belongs));
  }
  if (session.wants_json())
    session.give({{"dataset", name.text()},
                  {"digest", digest},
                  {"bucket_rows", buckets.rows},
                  {"misplaced", std::move(misplaced)}});
  else
    *session.wiring().out << digest << "\n";
  return buckets.misplaced.empty() ? 0 : 1;
}

Result<int> list_quarantine(Session& session) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const auto& name : lake::known_datasets(open->configuration)) {
    WEIR_ASSIGN(const auto objects, lake::table_commits(open->lake, name.rejected()));
    for (const auto& object : objects) {
      rows.push_back({name.rejected().text(), object.source_name, with_commas(object.rows),
                      object.object_name});
      list.push_back({{"dataset", name.rejected().text()},
                      {"source", object.source_name},
                      {"rows", object.rows},
                      {"object", object.object_name}});
    }
  }
  if (session.wants_json())
    session.give({{"quarantine", std::move(list)}});
  else
    *session.wiring().out << table_text({"dataset", "source", "rows", "object"}, rows, 70);
  return 0;
}

Result<int> show_quarantine(Session& session, const ReadFlags& flags) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  WEIR_ASSIGN(auto name, dataset_of(*open, flags.dataset));
  if (!name.name.ends_with("__rejected")) name = name.rejected();
  const std::string text = fmt::format(
      "SELECT source_file, line, reason, \"column\", message, \"values\" FROM {}.{} ORDER BY "
      "source_file, line, byte_offset LIMIT {}",
      model::quote_name(name.layer), model::quote_name(name.name), flags.limit);
  WEIR_ASSIGN(const auto result, lake::query(open->lake, text, "", flags.limit));
  give_result(session, result);
  return 0;
}

Result<int> reconcile(Session& session, const std::vector<std::string>& names) {
  WEIR_ASSIGN(const auto open, open_lake(session));
  WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog());
  WEIR_ASSIGN(const auto chain, lake::collect_chain(open->lake, *catalog, names));
  const auto verdicts = reconcile::judge(chain);
  if (session.wants_json()) {
    Json list = Json::array();
    for (const auto& verdict : verdicts) list.push_back(reconcile::to_json(verdict));
    session.give({{"verdicts", std::move(list)}});
  } else {
    *session.wiring().out << reconcile::to_text(verdicts);
  }
  WEIR_TRY(reconcile::to_status(verdicts));
  return 0;
}

using ReadAction = Result<int> (*)(Session&, const ReadFlags&);
void on_read(CLI::App* command, Chosen& chosen, const std::shared_ptr<ReadFlags>& flags,
             ReadAction action) {
  command->callback([&chosen, flags, action] {
    chosen.action = [=](Session& session) { return action(session, *flags); };
  });
}

}  // namespace

void add_table_commands(CLI::App& app, Chosen& chosen) {
  auto* table = app.add_subcommand("table", "The datasets of the lake");
  table->require_subcommand(1);
  table->add_subcommand("list", "All of them")->callback([&chosen] {
    chosen.action = list_tables;
  });
  auto flags = std::make_shared<ReadFlags>();

  auto* show = table->add_subcommand("show", "Columns and commits of one");
  show->add_option("dataset", flags->dataset, "layer.name")->required();
  on_read(show, chosen, flags,
          [](Session& session, const ReadFlags& f) { return show_table(session, f.dataset); });

  auto* history_command = table->add_subcommand("history", "All versions of one key");
  history_command->add_option("dataset", flags->dataset, "layer.name")->required();
  history_command->add_option("key", flags->key, "A value for each key column")->required();
  history_command->add_option("--as-of", flags->as_of, "Only the version valid at this time");
  history_command->add_option("--at", flags->at, "The table as of this instant");
  on_read(history_command, chosen, flags, history);

  auto* query_command = table->add_subcommand("query", "One SELECT over layer.dataset names");
  query_command->add_option("sql", flags->sql, "The SELECT")->required();
  query_command->add_option("--at", flags->at, "Hudi tables as of this instant");
  query_command->add_option("--limit", flags->limit, "Most rows")->check(CLI::Range(1, 10'000'000));
  on_read(query_command, chosen, flags, query);

  auto* verify_command =
      table->add_subcommand("verify",
                            "What two tables must share to be equal, and whether "
                            "rows lie in the bucket where Spark looks for them");
  verify_command->add_option("dataset", flags->dataset, "layer.name")->required();
  verify_command->add_option("--at", flags->at, "The table as of this instant");
  auto wants_digest = std::make_shared<bool>(true);
  verify_command->add_flag("--digest", *wants_digest,
                           "Print the digest over all rows (what it does now)");
  verify_command->callback([&chosen, flags, wants_digest] {
    chosen.action = [=](Session& session) { return verify(session, *flags); };
  });

  add_maintenance_commands(*table, chosen);

  auto* quarantine = app.add_subcommand("quarantine", "Rows that were rejected");
  quarantine->require_subcommand(1);
  quarantine->add_subcommand("list", "Where there are some")->callback([&chosen] {
    chosen.action = list_quarantine;
  });
  auto* quarantine_show = quarantine->add_subcommand("show", "The rows, with their reasons");
  quarantine_show->add_option("dataset", flags->dataset, "layer.name")->required();
  quarantine_show->add_option("--limit", flags->limit, "Most rows");
  on_read(quarantine_show, chosen, flags, show_quarantine);

  auto* reconcile_command =
      app.add_subcommand("reconcile", "Is every row still where it was published?");
  auto names = std::make_shared<std::vector<std::string>>();
  reconcile_command->add_option("dataset", *names,
                                "layer.name or connection.table; all of the project by default");
  reconcile_command->callback([&chosen, names] {
    chosen.action = [names](Session& session) { return reconcile(session, *names); };
  });
}

}  // namespace weir::cli
