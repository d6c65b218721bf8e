#include "engine/embedded/ingest_files_objects.h"

#include <algorithm>
#include <thread>

#include <arrow/api.h>

#include "base/instant.h"
#include "engine/embedded/ingest_files_sums.h"
#include "engine/file_format.h"
#include "engine/lock_object.h"
#include "model/published.h"

namespace weir::engine::embedded {
namespace {

using model::TypeKind;

constexpr size_t kNameDigits = 16;
const auto kTextOfAll = arrow::dictionary(arrow::int32(), arrow::utf8());

model::Column column(std::string name, TypeKind kind) {
  return {std::move(name), {kind, 0, 0, {}}, true};
}

// Places among the load columns.
constexpr size_t kSourceFile = 0;
constexpr size_t kRunId = 2;

const model::Schema& load_columns() {
  static const model::Schema kSchema = {
      column("_source_file", TypeKind::kVarchar), column("_source_row", TypeKind::kBigint),
      column("_run_id", TypeKind::kVarchar), column("_loaded_at", TypeKind::kTimestamp)};
  return kSchema;
}

parquet::WriteOptions write_options(const Ingest& ingest) {
  parquet::WriteOptions options;
  const int64_t asked = ingest.operation.limits.threads;
  options.threads = asked > 0 ? asked : std::jthread::hardware_concurrency();
  return options;
}

Status arrow_status(const arrow::Status& status) {
  if (status.ok()) return {};
  return std::unexpected(parquet::to_error(status));
}

template <typename Value>
Result<std::shared_ptr<arrow::Array>> repeated(const Value& value, int64_t rows) {
  auto array = arrow::MakeArrayFromScalar(value, rows);
  WEIR_TRY(arrow_status(array.status()));
  return *std::move(array);
}

// One text for every row: a dictionary of it, so that Parquet's writer need not look at each.
Result<std::shared_ptr<arrow::Array>> repeated_text(const std::string& text, int64_t rows) {
  arrow::StringBuilder builder;
  WEIR_TRY(arrow_status(builder.Append(text)));
  std::shared_ptr<arrow::Array> dictionary;
  WEIR_TRY(arrow_status(builder.Finish(&dictionary)));
  WEIR_ASSIGN(const auto indexes, repeated(arrow::Int32Scalar(0), rows));
  return std::make_shared<arrow::DictionaryArray>(kTextOfAll, indexes, dictionary);
}

std::shared_ptr<arrow::Scalar> instant_scalar(std::optional<int64_t> at_us) {
  const auto type = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  if (!at_us) return arrow::MakeNullScalar(type);
  return std::make_shared<arrow::TimestampScalar>(*at_us, type);
}

std::string text_of(const std::map<std::string, std::string>& footer, const std::string& key) {
  const auto found = footer.find(key);
  return found == footer.end() ? std::string() : found->second;
}

Json summary_json(const std::vector<model::RejectSummary>& rejects) {
  Json list = Json::array();
  for (const auto& item : rejects) {
    list.push_back({{"reason", item.reason}, {"column", item.column}, {"rows", item.rows}});
  }
  return list;
}

// What both objects say of themselves.
std::map<std::string, std::string> common_footer(const Ingest& ingest, const Ingested& ingested) {
  std::map<std::string, std::string> footer = {
      {"weir.token", ingest.operation.token},
      {"weir.identity", ingest.identity},
      {"weir.source_name", ingest.source.name},
      {"weir.source_sha256", ingested.summary.sha256},
      {"weir.source_size_bytes", fmt::format("{}", ingested.summary.size_bytes)},
      {"weir.counts", dump_json(model::to_json(ingested.counts))},
      {"weir.canonical", "1"},
      {"weir.run", ingest.operation.origin.run_id},
  };
  const auto as_of = ingest.operation.as_of_us ? ingest.operation.as_of_us : ingest.source.as_of_us;
  if (as_of) footer["weir.as_of"] = format_instant(*as_of);
  return footer;
}

// The outcome that the published objects tell of.
Result<model::Outcome> outcome_of(const Ingest& ingest, const parquet::FileInfo& info,
                                  const std::string& sha256) {
  WEIR_ASSIGN(auto published, model::published_object(ingest.operation.target.dataset,
                                                      ingest.object_name, info.footer));
  if (!published) return fail(ErrorCode::kInternal, "'{}' carries no token", ingest.object_name);
  published->main.rows = info.rows;
  published->main.size_bytes = info.size_bytes;
  published->main.sha256 = sha256;
  return model::outcome_of(*published);
}

/// What the object holds in its control columns, against what its footer says of them.
Status check_sums(const Ingest& ingest, const parquet::FileInfo& info) {
  WEIR_ASSIGN(const auto published, model::published_object(ingest.operation.target.dataset,
                                                            ingest.object_name, info.footer));
  if (!published) return {};
  WEIR_ASSIGN(const auto sums, model::hop_sums_from_json(published->main.sums));
  return check_delivered(*ingest.raw, ingest.object_name, sums, *ingest.context.cancel);
}

// The file's name without its folders and its last extension, as far as a file system takes it with
// the digits of the identity behind.
std::string stem_of(const std::string& name) {
  constexpr size_t kLongestStem = 200;
  std::string stem = name.substr(name.rfind('/') + 1);
  if (const size_t dot = stem.rfind('.'); dot != std::string::npos && dot > 0) stem.resize(dot);
  if (stem.size() <= kLongestStem) return stem;
  size_t end = kLongestStem;
  while (end > 0 && (static_cast<uint8_t>(stem[end]) & 0xC0) == 0x80) --end;
  stem.resize(end);
  return stem;
}

}  // namespace

void read_limits(Ingest& ingest) {
  const Json& params = ingest.operation.params;
  const Json percent = params.value("max_rejected_percent", Json());
  if (percent.is_number()) ingest.max_rejected_percent = percent.get<double>();
  const Json rows = params.value("max_rejected_rows", Json());
  if (rows.is_number_integer()) ingest.max_rejected_rows = rows.get<int64_t>();
}

Result<Ingest> read_ingest(const model::Operation& operation, const Context& context) {
  if (operation.inputs.size() != 1 || operation.inputs[0].objects.size() != 1) {
    return fail(ErrorCode::kInvalidConfig, "ingest_files takes one file, not {} inputs",
                operation.inputs.size());
  }
  Ingest ingest{
      .operation = operation, .context = context, .source = operation.inputs[0].objects[0]};
  WEIR_ASSIGN(ingest.landing, context.stores->open(ingest.source.uri));
  WEIR_ASSIGN(ingest.raw, context.stores->open(operation.target.uri));
  if (!operation.target.rejected_uri.empty()) {
    WEIR_ASSIGN(ingest.rejected, context.stores->open(operation.target.rejected_uri));
  }
  WEIR_ASSIGN(ingest.format, read_file_format(operation.params.value("format", Json::object())));
  WEIR_ASSIGN(ingest.identity, json_field<std::string>(operation.params, "input_identity"));
  if (ingest.identity.size() < kNameDigits) {
    return fail(ErrorCode::kInvalidConfig,
                "parameter 'input_identity' is '{}', expected 64 hex digits", ingest.identity);
  }
  read_limits(ingest);
  ingest.object_name = fmt::format("{}-{}.parquet", stem_of(ingest.source.name),
                                   ingest.identity.substr(0, kNameDigits));
  return ingest;
}

Status check_limits(const Ingest& ingest, const Ingested& ingested) {
  const int64_t rejected = ingested.counts.rejected;
  if (rejected == 0) return {};
  std::string worst;
  for (const auto& item : ingested.rejects) {
    worst += fmt::format("{}{} {}{}{}", worst.empty() ? "" : ", ", item.rows, item.reason,
                         item.column.empty() ? "" : " in ", item.column);
  }
  const auto refuse = [&](const std::string& limit) {
    return fail_with_hint(
        ErrorCode::kCheckFailed,
        fmt::format("{} of {} records of '{}' are refused, more than {}: {}", rejected,
                    ingested.counts.in, ingest.source.name, limit, worst),
        "nothing was published; mend what comes in, the columns or the limit");
  };
  const double percent =
      100.0 * static_cast<double>(rejected) / static_cast<double>(ingested.counts.in);
  if (ingest.max_rejected_rows && rejected > *ingest.max_rejected_rows) {
    return refuse(fmt::format("max_rejected_rows {}", *ingest.max_rejected_rows));
  }
  if (ingest.max_rejected_percent && percent > *ingest.max_rejected_percent) {
    return refuse(fmt::format("max_rejected_percent {}", *ingest.max_rejected_percent));
  }
  return {};
}

Result<std::optional<model::Outcome>> find_published(const Ingest& ingest) {
  const auto info = parquet::read_info(*ingest.raw, ingest.object_name);
  if (!info && info.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!info) return std::unexpected(info.error());
  if (const std::string token = text_of(info->footer, "weir.token");
      token != ingest.operation.token) {
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format(
            "'{}' of {} is there already, loaded with another configuration (token {}…, now {}…)",
            ingest.object_name, ingest.operation.target.dataset.text(), token.substr(0, 12),
            ingest.operation.token.substr(0, 12)),
        "the same file was ingested before its columns, format or template changed; to load it "
        "anew, remove that object first");
  }
  const auto delivered = check_sums(ingest, *info);
  if (!delivered) return std::unexpected(delivered.error());
  WEIR_ASSIGN(const auto written, storage::digest_of(*ingest.raw, ingest.object_name));
  WEIR_ASSIGN(auto outcome, outcome_of(ingest, *info, written.sha256));
  outcome.was_already_done = true;
  return outcome;
}

Result<std::unique_ptr<RawObject>> RawObject::create(const Ingest& ingest,
                                                     const model::Schema& schema) {
  std::unique_ptr<RawObject> object(new RawObject(ingest));
  model::Schema whole = schema;
  whole.insert(whole.end(), load_columns().begin(), load_columns().end());
  WEIR_ASSIGN(const auto plain, parquet::to_arrow(whole));
  arrow::FieldVector fields = plain->fields();
  for (const size_t i : {schema.size() + kSourceFile, schema.size() + kRunId}) {
    fields[i] = fields[i]->WithType(kTextOfAll);
  }
  object->schema_ = arrow::schema(std::move(fields));
  WEIR_ASSIGN(object->writer_, parquet::create_file(*ingest.raw, ingest.object_name,
                                                    object->schema_, write_options(ingest)));
  return object;
}

// Load columns that are the same in every row: made once, sliced for each batch.
Status RawObject::make_constants(int64_t rows) {
  if (rows <= constant_rows_) return {};
  const auto& origin = ingest_.operation.origin;
  WEIR_ASSIGN(source_file_, repeated_text(ingest_.source.name, rows));
  WEIR_ASSIGN(run_id_, repeated_text(origin.run_id, rows));
  WEIR_ASSIGN(loaded_at_, repeated(*instant_scalar(origin.logical_time_us), rows));
  constant_rows_ = rows;
  return {};
}

Status RawObject::write(const TypedRows& rows) {
  const int64_t count = rows.record_numbers->length();
  WEIR_TRY(make_constants(count));
  arrow::ArrayVector arrays = rows.columns;
  arrays.push_back(source_file_->Slice(0, count));
  arrays.push_back(rows.record_numbers);
  arrays.push_back(run_id_->Slice(0, count));
  arrays.push_back(loaded_at_->Slice(0, count));
  return writer_->write(*arrow::RecordBatch::Make(schema_, count, std::move(arrays)));
}

Result<parquet::WrittenFile> RawObject::publish(const std::map<std::string, std::string>& footer) {
  return writer_->commit(footer, storage::Put::kIfAbsent);
}

Status RejectedObject::write(const std::vector<files::Reject>& rejects) {
  if (rejects.empty()) return {};
  if (ingest_.rejected == nullptr) {
    return fail(ErrorCode::kInvalidConfig,
                "line {} of '{}' is refused ({}), and the target has no place for rejected rows",
                rejects[0].place.line, ingest_.source.name, rejects[0].message);
  }
  WEIR_ASSIGN(const auto schema, parquet::to_arrow(model::rejected_schema()));
  if (!writer_) {
    WEIR_ASSIGN(writer_, parquet::create_file(*ingest_.rejected, ingest_.object_name, schema,
                                              write_options(ingest_)));
  }
  arrow::StringBuilder reason;
  arrow::StringBuilder name;
  arrow::StringBuilder message;
  arrow::Int64Builder line;
  arrow::Int64Builder offset;
  arrow::Int64Builder length;
  arrow::BinaryBuilder raw;
  arrow::StringBuilder values;
  for (const files::Reject& reject : rejects) {
    WEIR_TRY(arrow_status(reason.Append(reject.reason)));
    WEIR_TRY(arrow_status(reject.column.empty() ? name.AppendNull() : name.Append(reject.column)));
    WEIR_TRY(arrow_status(message.Append(reject.message)));
    WEIR_TRY(arrow_status(line.Append(reject.place.line)));
    WEIR_TRY(arrow_status(offset.Append(reject.place.byte_offset)));
    WEIR_TRY(arrow_status(length.Append(reject.place.byte_length)));
    WEIR_TRY(arrow_status(raw.Append(reject.raw)));
    WEIR_TRY(arrow_status(values.Append(reject.values)));
    ++counts_[{reject.reason, reject.column}];
  }
  const auto count = static_cast<int64_t>(rejects.size());
  arrow::ArrayVector arrays;
  for (arrow::ArrayBuilder* builder : std::initializer_list<arrow::ArrayBuilder*>{
           &reason, &name, &message, &line, &offset, &length, &raw, &values}) {
    arrays.emplace_back();
    WEIR_TRY(arrow_status(builder->Finish(&arrays.back())));
  }
  const auto& operation = ingest_.operation;
  const auto as_of = operation.as_of_us ? operation.as_of_us : ingest_.source.as_of_us;
  const std::shared_ptr<arrow::Scalar> constants[] = {
      std::make_shared<arrow::StringScalar>(ingest_.source.name),
      std::make_shared<arrow::StringScalar>(ingest_.source.sha256), instant_scalar(as_of),
      std::make_shared<arrow::StringScalar>(operation.origin.run_id),
      instant_scalar(operation.origin.logical_time_us)};
  for (const auto& constant : constants) {
    WEIR_ASSIGN(auto array, repeated(*constant, count));
    arrays.push_back(std::move(array));
  }
  rows_ += count;
  return writer_->write(*arrow::RecordBatch::Make(schema, count, std::move(arrays)));
}

std::vector<model::RejectSummary> RejectedObject::summary() const {
  std::vector<model::RejectSummary> list;
  for (const auto& [what, rows] : counts_) list.push_back({what.first, what.second, rows});
  return list;
}

Result<parquet::WrittenFile> RejectedObject::publish(
    const std::map<std::string, std::string>& footer) {
  auto written = writer_->commit(footer, storage::Put::kIfAbsent);
  if (written || written.error().code != ErrorCode::kAlreadyExists) return written;
  // Left by an attempt that ended before its raw object was there.
  WEIR_ASSIGN(const auto info, parquet::read_info(*ingest_.rejected, ingest_.object_name));
  if (text_of(info.footer, "weir.token") == ingest_.operation.token && info.rows == rows_) {
    WEIR_ASSIGN(auto there, storage::digest_of(*ingest_.rejected, ingest_.object_name));
    return parquet::WrittenFile{info.rows, there.size_bytes, std::move(there.sha256)};
  }
  return fail_with_hint(
      ErrorCode::kConflict,
      fmt::format("'{}' of {} is there already, of another token, and no raw object names it",
                  ingest_.object_name, ingest_.operation.target.dataset.rejected().text()),
      "an attempt with another configuration ended half way; remove that object");
}

Result<model::Outcome> publish(const Ingest& ingest, const Ingested& ingested, RawObject& raw,
                               RejectedObject& rejected) {
  auto footer = common_footer(ingest, ingested);
  footer.insert(ingested.footer.begin(), ingested.footer.end());
  const auto guard = make_guard(ingest.operation.guard, *ingest.context.stores);
  if (guard) WEIR_TRY(guard->still_mine());
  WEIR_TRY(ingest.context.cancel->check());
  if (rejected.rows() > 0) {
    WEIR_ASSIGN(const auto written, rejected.publish(footer));
    WEIR_ASSIGN(const auto there, parquet::read_info(*ingest.rejected, ingest.object_name));
    if (there.rows != ingested.counts.rejected) {
      return fail(ErrorCode::kCheckFailed, "the rejected object '{}' has {} rows, {} were refused",
                  ingest.object_name, there.rows, ingested.counts.rejected);
    }
    footer["weir.rejected"] = dump_json(Json{{"name", ingest.object_name},
                                             {"rows", written.rows},
                                             {"size_bytes", written.size_bytes},
                                             {"sha256", written.sha256}});
  }
  footer["weir.schema"] = dump_json(model::to_json(ingested.plan.schema));
  Json details = ingested.details;
  details["rejects"] = summary_json(ingested.rejects);
  details["warnings"] = ingested.warnings;
  footer["weir.details"] = dump_json(details);
  if (guard) WEIR_TRY(guard->still_mine());
  auto written = raw.publish(footer);
  if (!written && written.error().code == ErrorCode::kAlreadyExists) {
    // Another process was faster: the same token is success, another one is told by the look.
    WEIR_ASSIGN(auto found, find_published(ingest));
    if (found) return *std::move(found);
  }
  if (!written) return std::unexpected(std::move(written).error());
  WEIR_ASSIGN(const auto there, parquet::read_info(*ingest.raw, ingest.object_name));
  if (there.rows != ingested.counts.inserted) {
    return fail(ErrorCode::kCorrupt, "'{}' was published with {} rows, {} were loaded",
                ingest.object_name, there.rows, ingested.counts.inserted);
  }
  WEIR_TRY(check_sums(ingest, there));
  return outcome_of(ingest, there, written->sha256);
}

}  // namespace weir::engine::embedded
