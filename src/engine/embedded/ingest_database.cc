// One read of a database becomes one raw object. Threads read pieces of the table under one
// snapshot and decode them, this one writes Parquet, and the server counts the rows under the same
// snapshot meanwhile: what it counts is what must have arrived. Nothing is visible before it adds
// up. How far a read got (the watermark) stands in the object's footer, so it moves with the commit
// and with nothing else.

#include <atomic>

#include <arrow/api.h>

#include "base/instant.h"
#include "database/source.h"
#include "engine/embedded/ahead.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/gathered.h"
#include "engine/embedded/ingest_database_plan.h"
#include "engine/embedded/ingest_files_objects.h"
#include "engine/embedded/ingest_files_sums.h"
#include "files/reject.h"
#include "model/names.h"
#include "parquet/column_sums.h"

namespace weir::engine::embedded {
namespace {

using database::Source;
using database::SourceBatch;
using database::SourceRequest;

constexpr size_t kBatchesAhead = 2;
constexpr size_t kNameDigits = 16;

Status arrow_status(const arrow::Status& status) {
  if (status.ok()) return {};
  return std::unexpected(parquet::to_error(status));
}

/// What the parameters say, read.
struct Read {
  SourceRequest request;
  bool is_incremental = false;
  int64_t parallel = 1;
  database::ReadOptions how;
  std::string source_key;
};

Result<std::vector<std::string>> texts(const Json& params, std::string_view name) {
  WEIR_ASSIGN(const Json list, json_field_or<Json>(params, name, Json::array()));
  std::vector<std::string> found;
  for (const auto& each : list) {
    if (!each.is_string())
      return fail(ErrorCode::kInvalidConfig, "parameter '{}' is a list of texts", name);
    found.push_back(each.get<std::string>());
  }
  return found;
}

Result<Read> read_params(const Json& params) {
  Read read;
  SourceRequest& request = read.request;
  const auto text = [&](std::string_view name) {
    return json_field_or<std::string>(params, name, "");
  };
  WEIR_ASSIGN(request.table, text("table"));
  WEIR_ASSIGN(request.query, text("query"));
  WEIR_ASSIGN(request.columns, texts(params, "columns"));
  WEIR_ASSIGN(request.where, text("where"));
  WEIR_ASSIGN(request.timezone, text("timezone"));
  WEIR_ASSIGN(request.cursor, texts(params, "cursor"));
  WEIR_ASSIGN(request.from, texts(params, "from"));
  WEIR_ASSIGN(request.lag, text("lag"));
  WEIR_ASSIGN(const std::string bound, text("bound"));
  request.is_inclusive = bound != "exclusive";
  WEIR_ASSIGN(const std::string mode, text("mode"));
  read.is_incremental = mode == "incremental";
  if (!read.is_incremental) request.from.clear();
  WEIR_ASSIGN(const std::string infinity, text("infinity"));
  if (infinity == "null") read.how.infinity = database::NoValue::kNull;
  WEIR_ASSIGN(const std::string zero_dates, text("zero_dates"));
  if (zero_dates == "null") read.how.zero_dates = database::NoValue::kNull;
  WEIR_ASSIGN(read.parallel, json_field_or<int64_t>(params, "parallel", 1));
  read.parallel = std::max<int64_t>(read.parallel, 1);
  WEIR_ASSIGN(read.source_key, text("source_key"));
  if (request.table.empty() == request.query.empty())
    return fail(ErrorCode::kInvalidConfig, "ingest_database reads a table or a query, one of them");
  return read;
}

/// As the objects and lineage call it.
std::string place_of(const SourceRequest& request) {
  return request.table.empty() ? "query" : request.table;
}

std::string object_name(const SourceRequest& request, const std::string& token) {
  constexpr size_t kLongest = 100;
  std::string stem = place_of(request).substr(0, kLongest);
  for (char& c : stem) {
    const bool is_plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    if (!is_plain) c = '_';
  }
  return fmt::format("{}-{}.parquet", stem, token.substr(0, kNameDigits));
}

Result<std::unique_ptr<Source>> open_source(const Operation& operation, const Context& context,
                                            const Cancel& cancel, const Read& read) {
  const std::string& id = operation.target.connection_id;
  const auto open = [&](const Json& given) {
    return database::open_source(
        {given, fmt::format("weir {}", operation.origin.run_id), context.clock, &cancel},
        read.request);
  };
  return while_doing(open_with_secrets(context.resolve_secrets, operation.target.connection_options,
                                       *context.cancel, open),
                     fmt::format("opening connection '{}'", id));
}

/// A batch with what makes rows of the dataset out of it.
class Rows {
 public:
  Rows(const Ingest& ingest, const SourcePlan& plan, std::vector<std::string> control)
      : ingest_(ingest), plan_(plan), control_(std::move(control)) {
    for (const auto& column : control_) sums_.columns.try_emplace(column);
  }

  Status write(const SourceBatch& batch, RawObject& raw, RejectedObject& rejected) {
    for (const auto& rows : batch.rows) {
      WEIR_ASSIGN(const TypedRows typed, typed_rows(rows));
      WEIR_TRY(add_sums(typed));
      WEIR_TRY(raw.write(typed));
    }
    std::vector<files::Reject> rejects;
    for (const auto& each : batch.rejects) {
      WEIR_ASSIGN(auto reject, reject_of(each));
      rejects.push_back(std::move(reject));
    }
    WEIR_TRY(rejected.write(rejects));
    rows_ += batch.row_count;
    bytes_ += batch.bytes;
    return {};
  }

  int64_t rows() const { return rows_; }
  int64_t bytes() const { return bytes_; }

  Result<model::HopSums> sums(const database::SourceTotals& totals) {
    for (size_t i = 0; i < control_.size(); ++i) {
      auto& parts = sums_.columns[control_[i]];
      WEIR_ASSIGN(parts.in, model::exact_sum_of(totals.sums.at(i).sum, totals.sums.at(i).values));
      parts.out = parts.inserted;
    }
    return sums_;
  }

 private:
  Result<TypedRows> typed_rows(const database::SourceRows& rows) const {
    const int64_t count = rows.columns.empty() ? 0 : rows.columns[0]->length();
    TypedRows typed;
    const auto& plan = plan_.columns;
    for (size_t i = 0; i < plan.schema.size(); ++i) {
      if (plan.field_of_column[i] >= 0) {
        typed.columns.push_back(rows.columns[static_cast<size_t>(plan.field_of_column[i])]);
        continue;
      }
      WEIR_ASSIGN(const auto schema, parquet::to_arrow({plan.schema[i]}));
      auto nulls = arrow::MakeArrayOfNull(schema->field(0)->type(), count);
      WEIR_TRY(arrow_status(nulls.status()));
      typed.columns.push_back(*std::move(nulls));
    }
    arrow::Int64Builder numbers;
    for (int64_t row = 0; row < count; ++row)
      WEIR_TRY(arrow_status(numbers.Append(rows_ + rows.first_row + row + 1)));
    WEIR_TRY(arrow_status(numbers.Finish(&typed.record_numbers)));
    return typed;
  }

  Result<files::Reject> reject_of(const database::SourceReject& row) {
    const auto column = std::ranges::find(plan_.read, row.column, &database::SourceColumn::name);
    files::Reject reject;
    reject.reason = row.reason;
    reject.column = row.column;
    reject.message = message_of(row, column->type);
    reject.place.record = rows_ + row.row + 1;
    reject.place.line = reject.place.record;
    reject.place.byte_length = static_cast<int64_t>(row.raw.size());
    reject.raw = row.raw;
    reject.values = row.values;
    if (ingest_.operation.target.contract.rows == model::RowPolicy::kFail)
      return fail_with_hint(ErrorCode::kInvalidData,
                            fmt::format("a row of {}, column {}: {}", ingest_.source.name,
                                        row.column, reject.message),
                            "contract.rows is fail; quarantine keeps such rows beside the dataset");
    const auto values = control_.empty() ? Result<Json>(Json()) : parse_json(row.values);
    for (const auto& name : control_) {
      if (!values || !values->contains(name)) continue;
      WEIR_ASSIGN([[maybe_unused]] const bool is_number,
                  sums_.columns[name].rejected.add_text(values->at(name).get<std::string>()));
    }
    return reject;
  }

  static std::string message_of(const database::SourceReject& row, const model::DataType& type) {
    if (row.reason == "infinite")
      return fmt::format("{} has no place in {}; `infinity: null` reads NULL", row.text,
                         model::to_text(type));
    if (row.reason == "zero_date")
      return fmt::format("{} is no day of any calendar; `zero_dates: null` reads NULL", row.text);
    if (row.reason == "invalid_utf8") return fmt::format("{} is no UTF-8", row.text);
    if (row.reason == "nested_array")
      return fmt::format("an array of more than one dimension is no {}", model::to_text(type));
    return files::message_of(row.reason, row.text, type);
  }

  Status add_sums(const TypedRows& rows) {
    for (const auto& name : control_) {
      const auto& schema = plan_.columns.schema;
      const auto place = std::ranges::find(schema, name, &model::Column::name) - schema.begin();
      WEIR_TRY(parquet::add_values(*rows.columns[static_cast<size_t>(place)], nullptr,
                                   sums_.columns[name].inserted));
    }
    return {};
  }

  const Ingest& ingest_;
  const SourcePlan& plan_;
  const std::vector<std::string> control_;
  model::HopSums sums_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

/// Hands a wish to stop on to the threads of one read.
class Stop {
 public:
  explicit Stop(const Cancel& outer)
      : outer_(const_cast<Cancel&>(outer)),
        handle_(outer_.add_listener([this] { inner_.cancel("cancelled"); })) {}
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;
  ~Stop() { outer_.remove_listener(handle_); }
  Cancel& cancel() { return inner_; }

 private:
  Cancel& outer_;
  Cancel inner_;
  int handle_;
};

/// One piece after another, as long as there are some.
Status read_pieces(const Source& source, const SourcePlan& plan, const database::ReadOptions& how,
                   std::atomic<int64_t>& next, int64_t pieces, const Cancel& cancel,
                   const Gathered<SourceBatch>::Put& put) {
  const auto pass_on = [&](SourceBatch batch) -> Status {
    if (put(std::move(batch))) return {};
    return fail(ErrorCode::kCancelled, "nobody waits for it");
  };
  for (int64_t piece = next++; piece < pieces; piece = next++)
    WEIR_TRY(source.read(piece, plan.read, how, cancel, pass_on));
  return {};
}

struct Transferred {
  database::SourceTotals totals;
  int64_t pieces = 0;
};

/// What one transfer works with.
struct Transfer {
  const Ingest& ingest;
  const Read& read;
  Source& source;
  const SourcePlan& plan;
  Cancel& stop;
  Rows& rows;
  RawObject& raw;
  RejectedObject& rejected;
};

/// All pieces, read by threads and written by this one.
Status write_batches(const Transfer& each, int64_t pieces) {
  std::atomic<int64_t> next = 0;
  const auto workers = static_cast<size_t>(std::min(each.read.parallel, pieces));
  Gathered<SourceBatch> batches(
      workers + kBatchesAhead, workers, each.stop, [&](const Gathered<SourceBatch>::Put& put) {
        return read_pieces(each.source, each.plan, each.read.how, next, pieces, each.stop, put);
      });
  const Context& context = each.ingest.context;
  while (true) {
    auto batch = batches.next();
    WEIR_TRY(context.cancel->check());  // the threads know that they were stopped, not why
    if (!batch) return std::unexpected(std::move(batch).error());
    if (!*batch) return {};
    WEIR_TRY(each.rows.write(**batch, each.raw, each.rejected));
    if (context.on_progress)
      context.on_progress(
          {"reading " + each.ingest.source.name, each.rows.rows(), each.rows.bytes()});
  }
}

Result<Transferred> transfer(const Transfer& each, const std::vector<std::string>& control) {
  Transferred done;
  WEIR_ASSIGN(done.pieces, each.source.split(each.read.parallel));
  Ahead<database::SourceTotals> totals(1, [&]() -> Result<std::optional<database::SourceTotals>> {
    return each.source.totals(control);
  });
  auto written = write_batches(each, done.pieces);
  if (!written) {
    each.stop.cancel("the read failed");
    return std::unexpected(std::move(written).error());
  }
  WEIR_ASSIGN(const auto counted, totals.next());
  done.totals = *counted;
  return done;
}

Json texts_json(const std::vector<std::string>& list) { return list.empty() ? Json() : Json(list); }

std::string listed(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Where the rows come from and how far they go: the next read begins there.
Json source_json(const Operation& operation, const Read& read, const Source& source,
                 const database::SourceWatermark& mark, const Transferred& done) {
  const SourceRequest& request = read.request;
  Json json = {{"connection", operation.target.connection_id},
               {"mode", read.is_incremental ? "incremental" : "full"},
               {"snapshot_at", format_instant(source.snapshot_at_us())},
               {"server_version", source.server_version()},
               {"rows", done.totals.rows},
               {"pieces", done.pieces}};
  if (request.query.empty())
    json["table"] = source.name();
  else
    json["query"] = request.query;
  if (request.cursor.empty()) return json;
  json["cursor"] = {{"columns", request.cursor},
                    {"types", mark.types},
                    {"from", texts_json(request.from)},
                    {"to", texts_json(mark.to)}};
  if (!request.lag.empty()) json["cursor"]["lag"] = request.lag;
  return json;
}

void describe(const SourcePlan& plan, const Read& read, const database::SourceWatermark& mark,
              bool is_first, Ingested& ingested) {
  const auto& columns = plan.columns;
  Json& details = ingested.details;
  auto& warnings = ingested.warnings;
  details["new_columns"] = is_first ? std::vector<std::string>() : columns.new_columns;
  details["missing_columns"] = columns.missing_columns;
  details["discarded_columns"] = columns.discarded_columns;
  if (!ingested.sums.columns.empty()) details["sums"] = model::to_json(ingested.sums);
  if (!columns.missing_columns.empty())
    warnings.push_back(fmt::format("the source lacks columns that are NULL now: {}",
                                   listed(columns.missing_columns)));
  if (!columns.new_columns.empty() && !is_first)
    warnings.push_back(fmt::format("the source has new columns, loaded as they are: {}",
                                   listed(columns.new_columns)));
  if (!columns.discarded_columns.empty())
    warnings.push_back(fmt::format("columns of the source that are dropped: {}",
                                   listed(columns.discarded_columns)));
  if (!plan.free_columns.empty())
    warnings.push_back(
        fmt::format("columns whose type does not say what their values are (digits of a number, or "
                    "anything at all) are loaded as text; declare their types: {}",
                    listed(plan.free_columns)));
  std::vector<std::string> odd;
  for (const auto& column : columns.schema)
    if (!model::is_column_name(column.name)) odd.push_back(column.name);
  if (!odd.empty())
    warnings.push_back(fmt::format(
        "names that a Hudi table cannot hold; rename them in a `query`: {}", listed(odd)));
  if (read.is_incremental && mark.has_nulls)
    warnings.push_back(
        fmt::format("there are rows without a value in cursor {}: only a full read sees changes of "
                    "theirs",
                    listed(read.request.cursor)));
}

Status check_custody(const Ingest& ingest, const Ingested& ingested) {
  if (!ingested.counts.is_closed())
    return fail(ErrorCode::kCheckFailed,
                "{} has {} rows by the server's count, but {} were loaded and {} rejected",
                ingest.source.name, ingested.counts.in, ingested.counts.inserted,
                ingested.counts.rejected);
  return model::check_closed(ingested.sums);
}

/// Snapshots of one dataset are in the order in which they were taken, also where the server's
/// clock went back.
int64_t as_of(const Source& source, const Json& params, Ingested& ingested) {
  const std::string after = params.value("after", "");
  const auto before_us = after.empty() ? Result<int64_t>(0) : parse_instant(after);
  if (!before_us || source.snapshot_at_us() > *before_us) return source.snapshot_at_us();
  ingested.warnings.push_back(fmt::format(
      "the server's clock is behind the snapshot before, of {}: this one is dated right "
      "after it",
      after));
  return *before_us + 1;
}

}  // namespace

Result<Outcome> ingest_database(const Operation& operation, const Context& context) {
  WEIR_ASSIGN(const Read read, read_params(operation.params));
  model::PinnedObject named;
  named.name = fmt::format("{}.{}", operation.target.connection_id, place_of(read.request));
  Ingest found_ingest{.operation = operation, .context = context, .source = named};
  WEIR_ASSIGN(found_ingest.raw, context.stores->open(operation.target.uri));
  if (!operation.target.rejected_uri.empty()) {
    WEIR_ASSIGN(found_ingest.rejected, context.stores->open(operation.target.rejected_uri));
  }
  found_ingest.identity = operation.token;
  found_ingest.object_name = object_name(read.request, operation.token);
  read_limits(found_ingest);
  WEIR_ASSIGN(auto found, find_published(found_ingest));
  if (found) return *std::move(found);

  Stop stop(*context.cancel);
  WEIR_ASSIGN(const auto source, open_source(operation, context, stop.cancel(), read));
  const auto doing = fmt::format("reading {}", named.name);
  Ingested ingested;
  named.as_of_us = as_of(*source, operation.params, ingested);
  const Ingest& ingest = found_ingest;
  WEIR_ASSIGN(const SourcePlan plan,
              while_doing(plan_source(*source, operation.target, read.request.timezone), doing));
  WEIR_ASSIGN(const auto mark, while_doing(source->watermark(), doing));
  WEIR_ASSIGN(const auto control, model::control_columns(operation.target.options));
  WEIR_TRY(
      model::check_control_columns(plan.columns.schema, control, operation.target.dataset.text()));
  WEIR_ASSIGN(const auto raw, RawObject::create(ingest, plan.columns.schema));
  RejectedObject rejected(ingest);
  Rows rows(ingest, plan, control);
  WEIR_ASSIGN(
      const Transferred done,
      while_doing(
          transfer({ingest, read, *source, plan, stop.cancel(), rows, *raw, rejected}, control),
          doing));
  ingested.plan = plan.columns;
  ingested.summary.size_bytes = rows.bytes();
  ingested.counts.in = done.totals.rows;
  ingested.counts.inserted = raw->rows();
  ingested.counts.rejected = rejected.rows();
  ingested.counts.out = raw->rows();
  ingested.rejects = rejected.summary();
  WEIR_ASSIGN(ingested.sums, rows.sums(done.totals));
  for (auto& warning : source->warnings()) ingested.warnings.push_back(std::move(warning));
  ingested.details["source"] = source_json(operation, read, *source, mark, done);
  describe(plan, read, mark, operation.target.schema.empty(), ingested);
  WEIR_TRY(check_custody(ingest, ingested));
  WEIR_TRY(check_limits(ingest, ingested));
  // An increment without rows moves nothing: it is no object.
  if (!read.request.from.empty() && ingested.counts.in == 0) {
    Outcome nothing;
    nothing.details = ingested.details;
    nothing.warnings = ingested.warnings;
    return nothing;
  }
  ingested.footer = {{"weir.op", std::string(to_text(operation.kind))},
                     {"weir.source_key", read.source_key}};
  return publish(ingest, ingested, *raw, rejected);
}

}  // namespace weir::engine::embedded
