#include <algorithm>
#include <array>
#include <set>

#include "catalog/store/config_reading.h"
#include "catalog/store/runs.h"
#include "catalog/store/store.h"
#include "catalog/store/waiting_starts.h"

namespace weir::catalog {
namespace {

/// Names of binds live as long as the statement.
const std::array<std::string, kMaxScopePatterns>& scope_names() {
  static const auto kNames = [] {
    std::array<std::string, kMaxScopePatterns> names;
    for (size_t i = 0; i < names.size(); ++i) names[i] = fmt::format("scope_{}", i);
    return names;
  }();
  return kNames;
}

/// Out of line: GCC 12 takes the moved value for one that was never set.
[[gnu::noinline]] void add(Binds& binds, std::string_view name, Value value) {
  binds.push_back(Bind{name, std::move(value)});
}

int64_t characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; });
}

/// A condition for the column; its values go to `binds`.
std::string in_scope(const FlowScope& scope, std::string_view column, Binds& binds) {
  if (scope.has_all()) return "TRUE";
  WEIR_CHECK(scope.patterns.size() <= kMaxScopePatterns);
  std::string condition;
  for (size_t i = 0; i < scope.patterns.size(); ++i) {
    std::string text = scope.patterns[i];
    const std::string& name = scope_names()[i];
    if (i > 0) condition += " OR ";
    if (text.ends_with('*')) {
      text.pop_back();
      condition += fmt::format("substr({}, 1, {}) = :{}", column, characters(text), name);
    } else {
      condition += fmt::format("{} = :{}", column, name);
    }
    add(binds, name, std::move(text));
  }
  return condition.empty() ? "FALSE" : fmt::format("({})", condition);
}

Result<std::optional<FlowRun>> last_run(Session& session, const std::string& flow_id) {
  WEIR_ASSIGN(auto runs, flow_runs_where(session,
                                         "WHERE flow_id = :flow_id ORDER BY created_at_us DESC, "
                                         "run_id DESC LIMIT 1",
                                         {{"flow_id", flow_id}}));
  if (runs.empty()) return std::nullopt;
  return std::move(runs.front());
}

Result<FlowLine> flow_line(Session& session, const ConfigRow& row) {
  FlowLine line{.flow_id = row.key.front(),
                .description = row.values.at("description").get<std::string>(),
                .owner = row.values.at("owner").get<std::string>(),
                .is_enabled = row.values.at("is_enabled").get<bool>()};
  const Binds flow = {{"flow_id", line.flow_id}};
  WEIR_ASSIGN(line.last_run, last_run(session, line.flow_id));
  WEIR_ASSIGN(const auto states,
              session.select("is_paused", "FROM flow_state WHERE flow_id = :flow_id", flow));
  if (!states.empty()) {
    RowReader state("flow_state", states.front(), line.flow_id);
    line.is_paused = state.boolean("is_paused");
    WEIR_TRY(state.status());
  }
  WEIR_ASSIGN(
      const auto ended,
      session.select("max(finished_at_us) AS at_us",
                     "FROM flow_run WHERE flow_id = :flow_id AND state = 'succeeded'", flow));
  RowReader success("flow_run", ended.front(), line.flow_id);
  line.last_success = success.maybe_integer("at_us");
  WEIR_TRY(success.status());
  WEIR_ASSIGN(const auto tasks,
              session.select("count(*) AS tasks", "FROM task WHERE flow_id = :flow_id", flow));
  RowReader count("task", tasks.front(), line.flow_id);
  line.task_count = count.integer("tasks");
  WEIR_ASSIGN(const auto schedules, config_rows_where(session, *find_config_table("schedule"),
                                                      "WHERE flow_id = :flow_id", flow));
  if (!schedules.empty()) line.schedule = schedules.front().values;
  return line;
}

void collect_texts(const Json& value, std::set<std::string>& texts) {
  if (value.is_string()) texts.insert(value.get<std::string>());
  if (!value.is_structured()) return;
  for (const Json& each : value) collect_texts(each, texts);
}

/// Every text in the parameters of the tasks in scope: a dataset that is none of them is foreign.
Result<std::set<std::string>> texts_in_scope(Session& session, const FlowScope& scope) {
  Binds binds;
  const std::string where = in_scope(scope, "flow_id", binds);
  WEIR_ASSIGN(const auto rows,
              session.select("flow_id, params", "FROM task WHERE " + where, binds));
  std::set<std::string> texts;
  for (const Row& row : rows) {
    RowReader reader("task", row, row.at("flow_id").value_or(""));
    collect_texts(reader.json("params"), texts);
    WEIR_TRY(reader.status());
  }
  return texts;
}

/// Rejected rows belong to whom their dataset belongs.
bool is_named(const std::set<std::string>& texts, std::string_view dataset) {
  constexpr std::string_view kRejected = "__rejected";
  if (dataset.ends_with(kRejected) &&
      texts.contains(std::string(dataset.substr(0, dataset.size() - kRejected.size()))))
    return true;
  return texts.contains(std::string(dataset));
}

/// Declared ones and published ones, by name.
Result<std::map<std::string, DatasetLine>> all_datasets(Session& session) {
  std::map<std::string, DatasetLine> lines;
  WEIR_ASSIGN(const auto declared, session.select("layer, name, format, identity", "FROM dataset"));
  for (const Row& row : declared) {
    RowReader reader("dataset", row, row.at("name").value_or(""));
    DatasetLine line{.dataset = reader.text("layer") + "." + reader.text("name"),
                     .format = reader.text("format"),
                     .identity = reader.text("identity"),
                     .is_declared = true};
    lines.emplace(line.dataset, line);
  }
  WEIR_ASSIGN(const auto published,
              session.select("dataset, count(*) AS publications, max(recorded_at_us) AS at_us",
                             "FROM publication GROUP BY dataset"));
  for (const Row& row : published) {
    RowReader reader("publication", row, row.at("dataset").value_or(""));
    DatasetLine& line = lines[reader.text("dataset")];
    line.dataset = reader.text("dataset");
    line.publication_count = reader.integer("publications");
    line.published_at_us = reader.integer("at_us");
    WEIR_TRY(reader.status());
  }
  return lines;
}

Result<HoldLine> read_hold_line(const Row& row) {
  RowReader reader("hold", row, row.at("token").value_or(""));
  HoldLine line;
  line.flow_id = reader.text("flow_id");
  line.hold.run_id = reader.text("run_id");
  line.hold.task_id = reader.text("task_id");
  line.hold.token = reader.text("token");
  line.hold.reason = reader.text("reason");
  line.hold.message = reader.text("message");
  line.hold.facts = reader.json("facts");
  line.hold.state = reader.text("state");
  line.hold.created_at_us = reader.integer("created_at_us");
  if (const auto target = reader.text("target"); !target.empty())
    line.hold.target = reader.take("target", model::parse_dataset_name(target));
  WEIR_TRY(reader.status());
  return line;
}

constexpr std::string_view kHoldColumns =
    "h.token AS token, h.run_id AS run_id, h.task_id AS task_id, h.target AS target, h.reason AS "
    "reason, h.message AS message, h.facts AS facts, h.state AS state, h.created_at_us AS "
    "created_at_us, r.flow_id AS flow_id";
constexpr std::string_view kHoldTables = "FROM hold h JOIN flow_run r ON r.run_id = h.run_id";

/// A column of names and one of numbers.
Result<std::map<std::string, int64_t>> numbers_by(Session& session, std::string_view name,
                                                  const std::string& number,
                                                  const std::string& rest) {
  WEIR_ASSIGN(const auto rows,
              session.select(fmt::format("{} AS name, {} AS number", name, number), rest));
  std::map<std::string, int64_t> numbers;
  for (const Row& row : rows) {
    RowReader reader("flow_run", row, row.at("name").value_or(""));
    numbers[reader.text("name")] = reader.integer("number");
    WEIR_TRY(reader.status());
  }
  return numbers;
}

}  // namespace

bool FlowScope::has_all() const { return std::ranges::find(patterns, "*") != patterns.end(); }

bool FlowScope::has(std::string_view flow_id) const {
  return std::ranges::any_of(patterns, [&](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == flow_id;
    pattern.remove_suffix(1);
    return flow_id.starts_with(pattern);
  });
}

bool is_flow_pattern(std::string_view text) {
  if (text.empty() || text.size() > 200 || text.find('/') != std::string_view::npos) return false;
  if (storable(text) != text) return false;
  const auto star = text.find('*');
  return star == std::string_view::npos || star == text.size() - 1;
}

Result<std::vector<FlowLine>> SqlCatalog::flow_lines(const FlowScope& scope,
                                                     const std::string& after, int64_t limit) {
  return database_->read([&](Session& session) -> Result<std::vector<FlowLine>> {
    Binds binds;
    const std::string where = in_scope(scope, "flow_id", binds);
    WEIR_ASSIGN(const auto rows, session.select("flow_id", "FROM flow WHERE " + where, binds));
    // By bytes, as in all of weir: a page must end where the next one begins.
    std::vector<std::string> ids;
    for (const Row& row : rows) {
      std::string id = row.at("flow_id").value_or("");
      if (id > after) ids.push_back(std::move(id));
    }
    std::ranges::sort(ids);
    if (static_cast<int64_t>(ids.size()) > limit) ids.resize(static_cast<size_t>(limit));
    std::vector<FlowLine> lines;
    for (const auto& id : ids) {
      WEIR_ASSIGN(const auto found,
                  config_rows_where(session, *find_config_table("flow"), "WHERE flow_id = :flow_id",
                                    {{"flow_id", id}}));
      for (const ConfigRow& row : found) {
        WEIR_ASSIGN(auto line, flow_line(session, row));
        lines.push_back(std::move(line));
      }
    }
    return lines;
  });
}

Result<std::vector<ConfigRow>> SqlCatalog::rows_of_flow(const std::string& flow_id) {
  return database_->read([&](Session& session) { return catalog::rows_of_flow(session, flow_id); });
}

Result<std::vector<FlowRun>> SqlCatalog::run_page(const RunFilter& filter) {
  Binds binds = {{"limit", filter.limit}};
  std::string where = "WHERE " + in_scope(filter.scope, "flow_id", binds);
  if (!filter.flow_id.empty()) {
    where += " AND flow_id = :flow_id";
    add(binds, "flow_id", filter.flow_id);
  }
  if (filter.state) {
    where += " AND state = :state";
    add(binds, "state", std::string(to_text(*filter.state)));
  }
  if (filter.before) {
    where +=
        " AND (created_at_us < :before_us OR (created_at_us = :before_us AND run_id < :before_id))";
    add(binds, "before_us", filter.before->created_at_us);
    add(binds, "before_id", filter.before->run_id);
  }
  return database_->read([&](Session& session) {
    return flow_runs_where(session,
                           where + " ORDER BY created_at_us DESC, run_id DESC LIMIT :limit", binds);
  });
}

Result<std::vector<NumberedLogLine>> SqlCatalog::log_page(const LogFilter& filter) {
  Binds binds = {{"run_id", filter.run_id}, {"after_id", filter.after_id}, {"limit", filter.limit}};
  if (!filter.task_id.empty()) add(binds, "task_id", filter.task_id);
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        "task_log_id, at_us, task_id, attempt, level, message",
        fmt::format("FROM task_log WHERE run_id = :run_id {} AND task_log_id > :after_id ORDER BY "
                    "task_log_id LIMIT :limit",
                    filter.task_id.empty() ? "" : "AND task_id = :task_id"),
        binds);
  }));
  return read_all(rows, [&](const Row& row) -> Result<NumberedLogLine> {
    RowReader reader("task_log", row, filter.run_id);
    NumberedLogLine line;
    line.task_log_id = reader.integer("task_log_id");
    line.at_us = reader.integer("at_us");
    line.task_id = reader.text("task_id");
    line.attempt = reader.integer("attempt");
    line.level = reader.text("level");
    line.message = reader.text("message");
    WEIR_TRY(reader.status());
    return line;
  });
}

Result<std::vector<DatasetLine>> SqlCatalog::dataset_lines(const FlowScope& scope,
                                                           const std::string& after,
                                                           int64_t limit) {
  return database_->read([&](Session& session) -> Result<std::vector<DatasetLine>> {
    WEIR_ASSIGN(const auto all, all_datasets(session));
    std::set<std::string> named;
    if (!scope.has_all()) {
      WEIR_ASSIGN(named, texts_in_scope(session, scope));
    }
    std::vector<DatasetLine> lines;
    for (auto at = all.upper_bound(after);
         at != all.end() && static_cast<int64_t>(lines.size()) < limit; ++at) {
      if (scope.has_all() || is_named(named, at->first)) lines.push_back(at->second);
    }
    return lines;
  });
}

Result<bool> SqlCatalog::knows_dataset(const FlowScope& scope, const std::string& dataset) {
  return database_->read([&](Session& session) -> Result<bool> {
    if (scope.has_all()) {
      WEIR_ASSIGN(const auto all, all_datasets(session));
      return all.contains(dataset);
    }
    WEIR_ASSIGN(const auto named, texts_in_scope(session, scope));
    return is_named(named, dataset);
  });
}

Result<std::vector<RejectedLine>> SqlCatalog::rejected_lines(const FlowScope& scope,
                                                             const std::string& run_id,
                                                             int64_t limit) {
  Binds binds = {{"limit", limit}};
  std::string where = in_scope(scope, "r.flow_id", binds);
  if (!run_id.empty()) {
    where += " AND r.run_id = :run_id";
    add(binds, "run_id", run_id);
  }
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        "j.run_id AS run_id, r.flow_id AS flow_id, j.task_id AS task_id, j.dataset AS dataset, "
        "j.reason AS reason, j.column_name AS column_name, j.row_count AS row_count, "
        "r.created_at_us AS created_at_us",
        fmt::format("FROM rejected_rows j JOIN flow_run r ON r.run_id = j.run_id WHERE {} ORDER BY "
                    "r.created_at_us DESC, j.run_id DESC, j.task_id, j.reason, j.column_name "
                    "LIMIT :limit",
                    where),
        binds);
  }));
  return read_all(rows, [](const Row& row) -> Result<RejectedLine> {
    RowReader reader("rejected_rows", row, row.at("run_id").value_or(""));
    RejectedLine line{.run_id = reader.text("run_id"),
                      .flow_id = reader.text("flow_id"),
                      .task_id = reader.text("task_id"),
                      .dataset = reader.text("dataset"),
                      .reason = reader.text("reason"),
                      .column = reader.text("column_name"),
                      .row_count = reader.integer("row_count"),
                      .created_at_us = reader.integer("created_at_us")};
    WEIR_TRY(reader.status());
    return line;
  });
}

Result<std::vector<HoldLine>> SqlCatalog::hold_lines(const FlowScope& scope,
                                                     const std::string& state, int64_t limit) {
  Binds binds = {{"limit", limit}};
  std::string where = in_scope(scope, "r.flow_id", binds);
  if (!state.empty()) {
    where += " AND h.state = :state";
    add(binds, "state", state);
  }
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(
        kHoldColumns,
        fmt::format("{} WHERE {} ORDER BY h.created_at_us DESC, h.token LIMIT :limit", kHoldTables,
                    where),
        binds);
  }));
  return read_all(rows, read_hold_line);
}

Result<HoldLine> SqlCatalog::hold_line(const std::string& token) {
  WEIR_ASSIGN(const auto rows, database_->read([&](Session& session) {
    return session.select(kHoldColumns, fmt::format("{} WHERE h.token = :token", kHoldTables),
                          {{"token", token}});
  }));
  if (rows.empty()) return fail(ErrorCode::kNotFound, "there is no hold {}", token);
  return read_hold_line(rows.front());
}

Result<Numbers> SqlCatalog::numbers() {
  return database_->read([&](Session& session) -> Result<Numbers> {
    Numbers numbers;
    WEIR_ASSIGN(numbers.runs,
                numbers_by(session, "state", "count(*)", "FROM flow_run GROUP BY state"));
    WEIR_ASSIGN(
        numbers.tasks,
        numbers_by(session, "t.state", "count(*)",
                   "FROM task_run t JOIN flow_run r ON r.run_id = t.run_id WHERE r.state IN "
                   "('queued', 'running') GROUP BY t.state"));
    WEIR_ASSIGN(numbers.notices,
                numbers_by(session, "state", "count(*)", "FROM outbox GROUP BY state"));
    WEIR_ASSIGN(numbers.last_success_us,
                numbers_by(session, "flow_id", "max(finished_at_us)",
                           "FROM flow_run WHERE state = 'succeeded' GROUP BY flow_id"));
    WEIR_ASSIGN(const auto holds,
                session.select("count(*) AS holds", "FROM hold WHERE state = 'open'"));
    RowReader reader("hold", holds.front(), "count");
    numbers.open_holds = reader.integer("holds");
    WEIR_TRY(reader.status());
    WEIR_ASSIGN(numbers.waiting_starts, waiting_starts_in(session));
    return numbers;
  });
}

Status SqlCatalog::ping() {
  return database_->read([](Session& session) -> Status {
    WEIR_TRY(session.select("1 AS one", ""));
    return {};
  });
}

}  // namespace weir::catalog
