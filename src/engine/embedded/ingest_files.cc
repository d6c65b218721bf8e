// One landing file becomes one raw object. A thread reads, hashes, counts and splits the file into
// chunks of text (files/csv_reader.h), a second casts them with DuckDB, this one writes Parquet.
// Nothing is visible before all of it is right: the hash is the pinned one, every byte is loaded,
// rejected or skipped, the scanner's count closes, and the limits for rejects hold.

#include "engine/embedded/ahead.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/ingest_files_cast.h"
#include "engine/embedded/ingest_files_objects.h"
#include "engine/embedded/ingest_files_sums.h"
#include "engine/embedded/pinned.h"
#include "files/csv_reader.h"
#include "files/inference.h"
#include "files/json_reader.h"
#include "model/names.h"

namespace weir::engine::embedded {
namespace {

using files::Chunk;
using files::RecordReader;

constexpr size_t kChunksAhead = 1;

// A chunk of the file and what became of it.
struct Cast {
  Chunk chunk;
  CastChunk cast;
};

Status check_pinned_size(const Ingest& ingest) {
  WEIR_ASSIGN(const auto entry, ingest.landing->stat(ingest.source.name));
  if (entry.size_bytes == ingest.source.size_bytes) return {};
  return fail_with_hint(ErrorCode::kCorrupt,
                        fmt::format("'{}' has {} bytes, {} were pinned", ingest.source.name,
                                    entry.size_bytes, ingest.source.size_bytes),
                        "the file changed after it was found; a new run takes it as it is now");
}

// The bytes that were read are the ones that were pinned.
Status check_bytes(const Ingest& ingest, const storage::Entry& before,
                   const files::ReadSummary& summary) {
  const auto& source = ingest.source;
  // Also where the pinned bytes came through: what was added behind them would come as a file of
  // its own, and these rows twice.
  const auto now = ingest.landing->stat(source.name);
  if (!now || *now != before) {
    return fail_with_hint(
        ErrorCode::kUnavailable,
        fmt::format("'{}' changed while it was read; nothing was published", source.name),
        "files must be complete before they are picked up");
  }
  const bool is_same = summary.size_bytes == source.size_bytes &&
                       (source.sha256.empty() || summary.sha256 == source.sha256);
  if (is_same) return {};
  return fail_with_hint(
      ErrorCode::kCorrupt,
      fmt::format("'{}' is not the file that was pinned: {} bytes with SHA-256 {}, expected {} "
                  "bytes with {}",
                  source.name, summary.size_bytes, summary.sha256, source.size_bytes,
                  source.sha256),
      "the file changed after it was found; a new run takes it as it is now");
}

Status check_custody(const Ingest& ingest, const Ingested& ingested) {
  const auto& summary = ingested.summary;
  if (!ingested.counts.is_closed()) {
    return fail(ErrorCode::kCheckFailed,
                "'{}' has {} records by the scanner, but {} were loaded and {} rejected",
                ingest.source.name, ingested.counts.in, ingested.counts.inserted,
                ingested.counts.rejected);
  }
  if (!summary.accounts_for_every_byte()) {
    return fail(ErrorCode::kCheckFailed,
                "'{}' has {} bytes, but {} were loaded, {} rejected and {} skipped",
                ingest.source.name, summary.size_bytes, summary.loaded_bytes,
                summary.rejected_bytes, summary.skipped_bytes);
  }
  return while_doing(model::check_closed(ingested.sums),
                     fmt::format("ingesting '{}'", ingest.source.name));
}

Status check_encoding(const Ingest& ingest, const files::ReadSummary& summary) {
  if (summary.guess == files::Encoding::kUtf8) return {};
  return fail_with_hint(ErrorCode::kInvalidData,
                        fmt::format("'{}' is no UTF-8", ingest.source.name),
                        fmt::format("it looks like latin-1 or {0}: declare `encoding: {0}`",
                                    files::to_text(summary.guess)));
}

Status refuse_first(const Ingest& ingest, const std::vector<files::Reject>& rejects) {
  if (rejects.empty() || ingest.operation.target.contract.rows != model::RowPolicy::kFail)
    return {};
  const auto& first = rejects.front();
  return fail_with_hint(
      ErrorCode::kInvalidData,
      fmt::format("line {} of '{}'{}{}: {}", first.place.line, ingest.source.name,
                  first.column.empty() ? "" : ", column ", first.column, first.message),
      "contract.rows is fail; quarantine keeps such rows beside the dataset");
}

std::string listed(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

// Everything that is to be told beside the counts.
void describe(const RecordReader& reader, bool is_inferred, Ingested& ingested) {
  const auto& plan = ingested.plan;
  Json& details = ingested.details;
  details["new_columns"] = is_inferred ? std::vector<std::string>() : plan.new_columns;
  details["missing_columns"] = plan.missing_columns;
  details["discarded_columns"] = plan.discarded_columns;
  details["skipped_lines"] = ingested.summary.skipped_lines;
  details["bytes"] = {{"loaded", ingested.summary.loaded_bytes},
                      {"rejected", ingested.summary.rejected_bytes},
                      {"skipped", ingested.summary.skipped_bytes}};
  details["dialect"] = reader.describe();
  details["inferred_schema"] = is_inferred;
  if (!ingested.sums.columns.empty()) details["sums"] = model::to_json(ingested.sums);
  if (!plan.missing_columns.empty()) {
    ingested.warnings.push_back(
        fmt::format("the file lacks columns that are NULL now: {}", listed(plan.missing_columns)));
  }
  if (!plan.new_columns.empty() && !is_inferred) {
    ingested.warnings.push_back(
        fmt::format("the file has new columns, loaded as varchar: {}", listed(plan.new_columns)));
  }
  if (is_inferred) {
    std::vector<std::string> odd;
    for (const auto& column : plan.schema)
      if (!model::is_column_name(column.name)) odd.push_back(column.name);
    if (!odd.empty())
      ingested.warnings.push_back(
          fmt::format("names that a Hudi table cannot hold; to merge them into one, remove what is "
                      "loaded and `rename` them (format: {{csv: {{rename: {{…}}}}}}): {}",
                      listed(odd)));
  }
  if (!plan.discarded_columns.empty()) {
    ingested.warnings.push_back(
        fmt::format("columns of the file that are dropped: {}", listed(plan.discarded_columns)));
  }
}

// Everything through, chunk by chunk.
Result<Ingested> transfer(const Ingest& ingest, RecordReader& reader, RawObject& raw,
                          RejectedObject& rejected) {
  WEIR_ASSIGN(auto session,
              sql::open_session(session_options(ingest.operation.limits), *ingest.context.cancel));
  WEIR_ASSIGN(const auto control, model::control_columns(ingest.operation.target.options));
  WEIR_ASSIGN(auto sums, IngestSums::open(control, reader.plan(), reader.decimal_separator(),
                                          ingest.operation.target.dataset.text()));
  WEIR_ASSIGN(auto caster,
              ChunkCaster::open(std::move(session), reader, *ingest.landing, ingest.source.name));
  int64_t bytes = 0;
  {
    Ahead<Chunk> chunks(kChunksAhead, [&reader] { return reader.next(); });
    Ahead<Cast> casts(1, [&]() -> Result<std::optional<Cast>> {
      WEIR_TRY(ingest.context.cancel->check());
      WEIR_ASSIGN(auto chunk, chunks.next());
      if (!chunk) return std::nullopt;
      WEIR_ASSIGN(auto cast, caster->cast(*chunk));
      return Cast{*std::move(chunk), std::move(cast)};
    });
    while (true) {
      WEIR_ASSIGN(const auto next, casts.next());
      if (!next) break;
      const auto& [chunk, cast] = *next;
      if (!sums.is_empty()) WEIR_TRY(sums.add(chunk, cast));
      for (const TypedRows& rows : cast.rows) WEIR_TRY(raw.write(rows));
      WEIR_TRY(refuse_first(ingest, chunk.rejects));
      WEIR_TRY(refuse_first(ingest, cast.rejects));
      WEIR_TRY(rejected.write(chunk.rejects));
      WEIR_TRY(rejected.write(cast.rejects));
      if (!chunk.rows.empty()) {
        bytes = chunk.rows.back().byte_offset + chunk.rows.back().byte_length;
      }
      if (ingest.context.on_progress) {
        ingest.context.on_progress({"reading " + ingest.source.name, raw.rows(), bytes});
      }
    }
  }
  Ingested ingested;
  ingested.summary = reader.summary();
  ingested.plan = reader.plan();
  ingested.counts.in = ingested.summary.records;
  ingested.counts.inserted = raw.rows();
  ingested.counts.rejected = rejected.rows();
  ingested.counts.out = raw.rows();
  ingested.rejects = rejected.summary();
  ingested.sums = sums.finish();
  return ingested;
}

Result<std::unique_ptr<RecordReader>> open_as(const Ingest& ingest, model::Schema declared) {
  const auto columns = ingest.operation.target.contract.columns;
  if (const auto* json = std::get_if<files::JsonFormat>(&ingest.format)) {
    files::JsonReadOptions options;
    options.format = *json;
    options.declared = std::move(declared);
    options.columns = columns;
    return files::open_json(*ingest.landing, ingest.source.name, std::move(options));
  }
  files::ReadOptions options;
  options.dialect = std::get<files::Dialect>(ingest.format);
  options.declared = std::move(declared);
  options.columns = columns;
  return files::CsvReader::open(*ingest.landing, ingest.source.name, std::move(options));
}

// Where nothing is declared, a first reader looks at every value.
Result<std::unique_ptr<RecordReader>> open_reader(const Ingest& ingest, bool& is_inferred) {
  model::Schema declared = ingest.operation.target.schema;
  is_inferred = declared.empty();
  if (is_inferred) {
    WEIR_ASSIGN(const auto looker, open_as(ingest, {}));
    WEIR_ASSIGN(declared, files::infer_schema(*looker));
  }
  return open_as(ingest, std::move(declared));
}

}  // namespace

Result<Outcome> ingest_files(const Operation& operation, const Context& context) {
  WEIR_ASSIGN(const Ingest ingest, read_ingest(operation, context));
  WEIR_ASSIGN(auto found, find_published(ingest));
  if (found) return *std::move(found);
  WEIR_TRY(check_pinned_size(ingest));
  WEIR_ASSIGN(const auto before, ingest.landing->stat(ingest.source.name));

  bool is_inferred = false;
  WEIR_ASSIGN(const auto reader, open_reader(ingest, is_inferred));
  WEIR_ASSIGN(const auto raw, RawObject::create(ingest, reader->plan().schema));
  RejectedObject rejected(ingest);
  WEIR_ASSIGN(Ingested ingested, while_doing(transfer(ingest, *reader, *raw, rejected),
                                             fmt::format("ingesting '{}'", ingest.source.name)));
  WEIR_TRY(check_bytes(ingest, before, ingested.summary));
  WEIR_TRY(check_encoding(ingest, ingested.summary));
  WEIR_TRY(check_custody(ingest, ingested));
  WEIR_TRY(check_limits(ingest, ingested));
  describe(*reader, is_inferred, ingested);
  return publish(ingest, ingested, *raw, rejected);
}

}  // namespace weir::engine::embedded
