#include "catalog/retention.h"

#include <algorithm>
#include <span>

#include "catalog/store/store.h"

namespace weir::catalog {
namespace {

constexpr size_t kRunsOfOneWrite = 200;

constexpr std::string_view kEnded =
    "state IN ('succeeded', 'failed', 'cancelled', 'skipped') AND "
    "coalesce(finished_at_us, created_at_us) < :before_us";

Result<int64_t> count(Session& session, const std::string& rest, const Binds& binds) {
  WEIR_ASSIGN(const auto rows, session.select("count(*) AS number", rest, binds));
  RowReader reader("count", rows.front(), rest);
  const int64_t number = reader.integer("number");
  WEIR_TRY(reader.status());
  return number;
}

Result<std::vector<std::string>> ids_of(const std::vector<Row>& rows) {
  std::vector<std::string> ids;
  for (const Row& row : rows) ids.push_back(row.at("run_id").value_or(""));
  return ids;
}

/// Oldest first.
Result<std::vector<std::string>> runs_that_may_go(Session& session, const PruneRequest& request) {
  // A newest success says when the flow last worked and with which lists of its patterns.
  WEIR_ASSIGN(
      const auto rows,
      session.select(
          "run_id",
          fmt::format(
              "FROM (SELECT run_id, flow_id, state, created_at_us, finished_at_us, "
              "row_number() OVER (PARTITION BY flow_id ORDER BY created_at_us DESC, run_id DESC) "
              "AS place, "
              "row_number() OVER (PARTITION BY flow_id, state ORDER BY created_at_us DESC, run_id "
              "DESC) AS place_of_state FROM flow_run) AS r WHERE {} AND place > :keep AND NOT "
              "(state = 'succeeded' AND place_of_state = 1) AND NOT EXISTS (SELECT 1 FROM hold h "
              "WHERE h.run_id = r.run_id AND h.state = 'open') ORDER BY created_at_us, run_id "
              "LIMIT :most",
              kEnded),
          {{"before_us", request.before_us},
           {"keep", std::max<int64_t>(request.keep, 1)},
           {"most", request.most}}));
  return ids_of(rows);
}

/// A condition that the runs of a list fulfil, which stands in `:rows`.
std::string in_list(Session& session) {
  return fmt::format("run_id IN (SELECT value ->> 'run_id' FROM {})", session.words().json_rows);
}

std::string list_of(std::span<const std::string> run_ids) {
  Json rows = Json::array();
  for (const auto& id : run_ids) rows.push_back({{"run_id", id}});
  return dump_json(rows);
}

/// Those of the runs that still may go: one may have been taken up again meanwhile.
Status prune_some(Session& session, const PruneRequest& request,
                  std::span<const std::string> run_ids, Pruned& pruned) {
  WEIR_ASSIGN(const auto rows,
              session.select("run_id",
                             fmt::format("FROM flow_run WHERE {} AND {}{}", in_list(session),
                                         kEnded, session.words().for_update),
                             {{"rows", list_of(run_ids)}, {"before_us", request.before_us}}));
  WEIR_ASSIGN(const auto ids, ids_of(rows));
  if (ids.empty()) return {};
  const Binds list = {{"rows", list_of(ids)}};
  const auto remove = [&](std::string_view table) {
    return session.execute(fmt::format("DELETE FROM {} WHERE {}", table, in_list(session)), list);
  };
  WEIR_ASSIGN(const int64_t lines, remove("task_log"));
  WEIR_TRY(remove("rejected_rows"));
  WEIR_ASSIGN(const int64_t tasks, remove("task_run"));
  WEIR_ASSIGN(const int64_t runs, remove("flow_run"));
  pruned.log_lines += lines;
  pruned.tasks += tasks;
  pruned.runs += runs;
  return {};
}

}  // namespace

Result<Pruned> SqlCatalog::prune(const PruneRequest& request) {
  WEIR_ASSIGN(const auto ids, database_->read([&](Session& session) {
    return runs_that_may_go(session, request);
  }));
  Pruned pruned;
  pruned.has_more = std::ssize(ids) == request.most;
  const Binds before = {{"before_us", request.before_us}};
  const std::string messages =
      "FROM outbox WHERE state <> 'waiting' AND created_at_us < :before_us";
  const std::string versions =
      "FROM config_version WHERE coalesce(pinned_at_us, created_at_us) < :before_us AND NOT EXISTS "
      "(SELECT 1 FROM flow_run r WHERE r.config_hash = config_version.hash)";
  if (request.is_rehearsal) {
    pruned.runs = std::ssize(ids);
    const auto look = [&](Session& session) -> Status {
      const Binds list = {{"rows", list_of(ids)}};
      const std::string of_runs = " WHERE " + in_list(session);
      WEIR_ASSIGN(pruned.tasks, count(session, "FROM task_run" + of_runs, list));
      WEIR_ASSIGN(pruned.log_lines, count(session, "FROM task_log" + of_runs, list));
      WEIR_ASSIGN(pruned.messages, count(session, messages, before));
      WEIR_ASSIGN(pruned.versions, count(session, versions, before));
      return {};
    };
    WEIR_TRY(database_->read(look));
    return pruned;
  }
  for (size_t at = 0; at < ids.size(); at += kRunsOfOneWrite) {
    Pruned of_one;  // a transaction may be made again
    WEIR_TRY(database_->write([&](Session& session) {
      of_one = {};
      return prune_some(session, request,
                        std::span(ids).subspan(at, std::min(kRunsOfOneWrite, ids.size() - at)),
                        of_one);
    }));
    pruned.runs += of_one.runs;
    pruned.tasks += of_one.tasks;
    pruned.log_lines += of_one.log_lines;
  }
  WEIR_TRY(database_->write([&](Session& session) -> Status {
    WEIR_ASSIGN(pruned.messages, session.execute("DELETE " + messages, before));
    WEIR_ASSIGN(pruned.versions, session.execute("DELETE " + versions, before));
    return {};
  }));
  return pruned;
}

}  // namespace weir::catalog
