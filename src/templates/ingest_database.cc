#include "base/instant.h"
#include "task/define.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  std::string connection;
  std::string table;
  std::string query;
  model::DatasetName to;
  std::string mode = "full";
  std::vector<std::string> cursor;
  std::string lag;
  std::string bound = "inclusive";
  std::vector<std::string> columns;
  std::string where;
  std::string timezone;
  std::string infinity = "reject";
  std::string zero_dates = "reject";
  int64_t parallel = 2;
  std::optional<double> max_rejected_percent;
  std::optional<int64_t> max_rejected_rows;
};

/// One operation, one read under one snapshot. What a database holds has no name of its own: the
/// run's logical time is part of what is asked for, so that a retry finds its read and another run
/// reads again.
Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  Operation operation;
  operation.kind = model::OperationKind::kIngestDatabase;
  operation.target = inputs.target;
  operation.target.format = "parquet";
  operation.target.mode = model::WriteMode::kAppend;
  Json& given = operation.params;
  given = {{"mode", params.mode},
           {"parallel", params.parallel},
           {"infinity", params.infinity},
           {"zero_dates", params.zero_dates},
           {"source_key", inputs.source.value("key", "")},
           {"logical_time", format_instant(inputs.logical_time_us)}};
  const auto say = [&given](const char* name, const auto& value) {
    if (!value.empty()) given[name] = value;
  };
  say("table", params.table);
  say("query", params.query);
  say("cursor", params.cursor);
  say("lag", params.lag);
  say("columns", params.columns);
  say("where", params.where);
  say("timezone", params.timezone);
  const Json after = inputs.source.value("after", Json());
  if (!after.is_null()) given["after"] = after;
  if (params.mode == "incremental") {
    given["bound"] = params.bound;
    const Json from = inputs.source.value("from", Json());
    if (!from.is_null()) given["from"] = from;
  }
  if (params.max_rejected_percent) given["max_rejected_percent"] = *params.max_rejected_percent;
  if (params.max_rejected_rows) given["max_rejected_rows"] = *params.max_rejected_rows;
  return std::vector<Operation>{std::move(operation)};
}

Status check(const Params& params) {
  const auto refuse = [](std::string why, std::string hint) {
    return fail_with_hint(ErrorCode::kInvalidConfig, std::move(why), std::move(hint));
  };
  if (params.table.empty() == params.query.empty())
    return refuse("one of 'table' and 'query' says what is read",
                  "write table: public.orders, or query: \"SELECT …\"");
  if (params.mode == "incremental" && params.cursor.empty())
    return refuse("mode incremental needs a cursor",
                  "name the column that grows with each change: cursor: [changed_at]; `weir "
                  "connection discover` shows candidates");
  if (!params.lag.empty() && params.mode != "incremental")
    return refuse("'lag' says how far an increment goes back, and mode is full",
                  "write mode: incremental, or leave it out");
  return {};
}

}  // namespace

task::Template ingest_database() {
  return task::Define<Params>("ingest_database",
                              "Reads a table or query of a database into a raw dataset.")
      .required("connection", &Params::connection, "The database.",
                task::connection({"postgres", "mysql", "mariadb", "sqlite"}))
      .optional("table", &Params::table,
                "What is read: schema.table, database.table, or a table of a file.")
      .optional("query", &Params::query,
                "What is read instead of a table: one SELECT in the database's own SQL.")
      .produces("to", &Params::to, "Raw dataset that takes one object per read.")
      .optional("mode", &Params::mode,
                "Everything each time, or what lies beyond the cursor's watermark.",
                task::choice({"full", "incremental"}))
      .optional("cursor", &Params::cursor,
                "Columns that grow with each change, the most significant first.")
      .optional("lag", &Params::lag,
                "How far before the watermark an increment begins, so that rows are seen which "
                "were committed late: 10m for a time, '1000' for a number.")
      .optional("bound", &Params::bound,
                "Whether rows at the very watermark are read again; exclusive only where no two "
                "rows share a value.",
                task::choice({"inclusive", "exclusive"}))
      .optional("columns", &Params::columns, "Columns that are read; without it all.")
      .optional("where", &Params::where, "Condition on the rows, in the database's own SQL.")
      .optional("timezone", &Params::timezone,
                "Zone of timestamps without one, such as UTC or Europe/Berlin.")
      .optional("infinity", &Params::infinity,
                "What becomes of dates and timestamps that are infinite: the row is rejected, or "
                "the value is NULL.",
                task::choice({"reject", "null"}))
      .optional(
          "zero_dates", &Params::zero_dates,
          "What becomes of MySQL's 0000-00-00, and of dates without a month or a day: the row "
          "is rejected, or the value is NULL.",
          task::choice({"reject", "null"}))
      .optional("parallel", &Params::parallel,
                "Connections that read pieces of one table at the same time, where the database "
                "lets them share a snapshot: PostgreSQL.",
                task::in_range(1, 64))
      .optional("max_rejected_percent", &Params::max_rejected_percent,
                "Fails the read, with nothing published, if more of its rows are rejected.",
                task::in_range(0, 100))
      .optional("max_rejected_rows", &Params::max_rejected_rows,
                "Fails the read, with nothing published, if more rows are rejected.",
                task::in_range(0, 1e15))
      .example("All customers, each night.",
               {{"connection", "shop"}, {"table", "public.customers"}, {"to", "raw.customers"}})
      .example("Orders that changed, with those that were committed late.",
               {{"connection", "shop"},
                {"table", "public.orders"},
                {"to", "raw.orders"},
                {"mode", "incremental"},
                {"cursor", {"changed_at"}},
                {"lag", "10m"}})
      .check(check)
      .plan(model::OperationKind::kIngestDatabase, task::Batching::kSource, plan);
}

}  // namespace weir::templates
