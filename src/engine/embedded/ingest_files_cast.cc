#include "engine/embedded/ingest_files_cast.h"

#include <algorithm>

#include <arrow/api.h>

#include "parquet/parquet.h"

namespace weir::engine::embedded {
namespace {

using files::Chunk;
using model::TypeKind;

constexpr auto kChunkName = "weir_chunk";
constexpr auto kRowColumn = "weir_row";

// A zone-less time in a declared zone: what stands in a gap of the clock is NULL, what the clock
// shows twice is the earlier of the two. A time with an offset is what it says.
std::string cast_in_zone(const std::string& column, const std::string& zone) {
  const std::string local = fmt::format("TRY_CAST({} AS TIMESTAMP)", column);
  const std::string at = model::quote_text(zone);
  return fmt::format(
      "CASE WHEN regexp_matches({0}, ':\\d\\d.*([Zz]|[+-]\\d\\d(:?\\d\\d)?) *$') "
      "THEN TRY_CAST({0} AS TIMESTAMPTZ) "
      "WHEN (({1} AT TIME ZONE {2}) AT TIME ZONE {2}) IS DISTINCT FROM {1} THEN NULL "
      "WHEN ((({1} AT TIME ZONE {2}) - INTERVAL 1 HOUR) AT TIME ZONE {2}) = {1} "
      "THEN ({1} AT TIME ZONE {2}) - INTERVAL 1 HOUR "
      "ELSE {1} AT TIME ZONE {2} END",
      column, local, at);
}

std::string cast_of(const model::DataType& type, const std::string& column,
                    const std::string& zone) {
  if (type.kind == TypeKind::kTimestamp && !zone.empty()) return cast_in_zone(column, zone);
  return fmt::format("TRY_CAST({} AS {})", column, model::to_duckdb(type));
}

std::shared_ptr<arrow::Array> row_numbers(int64_t from, int64_t count) {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) numbers[static_cast<size_t>(i)] = from + i;
  return std::make_shared<arrow::Int64Array>(count, arrow::Buffer::FromVector(std::move(numbers)));
}

std::string_view text_at(const arrow::RecordBatch& batch, size_t column, int64_t row) {
  return static_cast<const arrow::StringArray&>(*batch.column(static_cast<int>(column)))
      .GetView(row);
}

bool counts_in_digits(TypeKind kind) {
  return kind == TypeKind::kInteger || kind == TypeKind::kBigint || kind == TypeKind::kHugeint ||
         kind == TypeKind::kDecimal || kind == TypeKind::kFloat || kind == TypeKind::kDouble;
}

Error lost_rows(std::string_view file) {
  return {ErrorCode::kInternal,
          fmt::format("DuckDB gave back other rows of '{}' than it was handed", file),
          {},
          {},
          std::nullopt};
}

}  // namespace

ChunkCaster::ChunkCaster(std::unique_ptr<sql::Session> session, const files::RecordReader& reader,
                         storage::Storage& store, std::string file)
    : session_(std::move(session)),
      reader_(reader),
      plan_(reader.plan()),
      store_(store),
      file_(std::move(file)) {}

Result<std::unique_ptr<ChunkCaster>> ChunkCaster::open(std::unique_ptr<sql::Session> session,
                                                       const files::RecordReader& reader,
                                                       storage::Storage& store, std::string file) {
  std::unique_ptr<ChunkCaster> caster(
      new ChunkCaster(std::move(session), reader, store, std::move(file)));
  WEIR_ASSIGN(caster->target_, parquet::to_arrow(caster->plan_.schema));
  const bool has_zone = !reader.timezone().empty();
  int next = 0;
  for (size_t i = 0; i < caster->plan_.schema.size(); ++i) {
    const bool is_cast = caster->plan_.schema[i].type.kind != TypeKind::kVarchar &&
                         caster->plan_.field_of_column[i] >= 0;
    caster->place_of_column_.push_back(is_cast ? next++ : -1);
    if (is_cast) caster->typed_.push_back(static_cast<int>(i));
  }
  for (const auto& column : caster->plan_.schema) {
    const bool is_local = has_zone && column.type.kind == TypeKind::kTimestamp;
    caster->clock_of_column_.push_back(is_local ? next++ : -1);
  }
  if (has_zone) {
    const auto known = caster->session_->query(fmt::format(
        "SELECT TIMESTAMP '2022-05-12' AT TIME ZONE {}", model::quote_text(reader.timezone())));
    if (!known) {
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("option 'timezone' is '{}', which is no time zone", reader.timezone()),
          "a name of the IANA list, like UTC or Europe/Berlin");
    }
  }
  return caster;
}

std::string ChunkCaster::select() const {
  std::string list;
  for (const int i : typed_) {
    list += fmt::format("{} AS c{}, ",
                        cast_of(plan_.schema[static_cast<size_t>(i)].type, fmt::format("c{}", i),
                                reader_.timezone()),
                        i);
  }
  for (size_t i = 0; i < clock_of_column_.size(); ++i) {
    if (clock_of_column_[i] >= 0 && place_of_column_[i] >= 0) {
      list += fmt::format("TRY_CAST(c{0} AS TIMESTAMP) IS NOT NULL AS k{0}, ", i);
    } else if (clock_of_column_[i] >= 0) {
      list += fmt::format("false AS k{}, ", i);
    }
  }
  return fmt::format("SELECT {}{} FROM {}", list, kRowColumn, kChunkName);
}

// The typed columns of the whole chunk, and the number of each row as the last column.
Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ChunkCaster::run(const Chunk& chunk) {
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  std::shared_ptr<arrow::Schema> schema;
  int64_t first = 0;
  for (const auto& batch : chunk.batches) {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    for (const int i : typed_) {
      fields.push_back(batch->schema()->field(i));
      arrays.push_back(batch->column(i));
    }
    fields.push_back(arrow::field(kRowColumn, arrow::int64()));
    arrays.push_back(row_numbers(first, batch->num_rows()));
    first += batch->num_rows();
    schema = arrow::schema(std::move(fields));
    batches.push_back(arrow::RecordBatch::Make(schema, batch->num_rows(), std::move(arrays)));
  }
  WEIR_TRY(session_->scan_arrow_once(kChunkName, schema, std::move(batches)));
  WEIR_ASSIGN(const auto reader, session_->stream(select()));
  std::vector<std::shared_ptr<arrow::RecordBatch>> typed;
  int64_t row = 0;
  while (true) {
    WEIR_ASSIGN(auto batch, reader->next());
    if (!batch) break;
    const auto& numbers =
        static_cast<const arrow::Int64Array&>(*batch->column(batch->num_columns() - 1));
    for (int64_t i = 0; i < numbers.length(); ++i, ++row) {
      if (numbers.Value(i) != row) return std::unexpected(lost_rows(file_));
    }
    typed.push_back(std::move(batch));
  }
  if (row != first) return std::unexpected(lost_rows(file_));
  return typed;
}

Result<CastChunk> ChunkCaster::cast(const Chunk& chunk) {
  CastChunk out;
  if (chunk.batches.empty()) return out;
  std::vector<std::shared_ptr<arrow::RecordBatch>> typed;
  if (!typed_.empty()) {
    WEIR_ASSIGN(typed, run(chunk));
  }
  // Both lists are the same rows with other cuts: go from cut to cut.
  size_t k = 0;
  int64_t in_typed = 0;
  int64_t row = 0;
  for (const auto& text : chunk.batches) {
    for (int64_t from = 0; from < text->num_rows();) {
      int64_t count = text->num_rows() - from;
      std::shared_ptr<arrow::RecordBatch> part;
      if (!typed_.empty()) {
        count = std::min(count, typed[k]->num_rows() - in_typed);
        part = typed[k]->Slice(in_typed, count);
        in_typed += count;
        if (in_typed == typed[k]->num_rows()) {
          ++k;
          in_typed = 0;
        }
      }
      WEIR_TRY(split(chunk, *text->Slice(from, count), part.get(), row, out));
      from += count;
      row += count;
    }
  }
  return out;
}

// The first column with a text that its cast made NULL, or −1.
int64_t ChunkCaster::column_at_fault(const arrow::RecordBatch& text,
                                     const arrow::RecordBatch& typed, int64_t row) const {
  for (const int i : typed_) {
    if (typed.column(place_of_column_[static_cast<size_t>(i)])->IsNull(row) &&
        text.column(i)->IsValid(row)) {
      return i;
    }
  }
  return -1;
}

Result<files::Reject> ChunkCaster::reject_of(const files::RecordPlace& place, std::string_view raw,
                                             size_t column, const arrow::RecordBatch& text,
                                             const arrow::RecordBatch& typed, int64_t row) const {
  const model::Column& target = plan_.schema[column];
  files::Reject reject;
  reject.reason = counts_in_digits(target.type.kind) ? "out_of_range" : "wrong_type";
  if (clock_of_column_[column] >= 0) {
    const auto& reads =
        static_cast<const arrow::BooleanArray&>(*typed.column(clock_of_column_[column]));
    if (reads.Value(row)) reject.reason = "nonexistent_time";
  }
  reject.column = target.name;
  reject.message = files::message_of(reject.reason, text_at(text, column, row), target.type);
  reject.place = place;
  reject.raw = std::string(raw);
  reject.values = reader_.values_of(raw);
  return reject;
}

// Rows [first_row, …) of the chunk: good ones as they stand, the others out as rejects.
Status ChunkCaster::split(const Chunk& chunk, const arrow::RecordBatch& text,
                          const arrow::RecordBatch* typed, int64_t first_row, CastChunk& out) {
  const int64_t rows = text.num_rows();
  std::vector<std::shared_ptr<arrow::Array>> columns;
  bool has_faults = false;
  for (size_t i = 0; i < plan_.schema.size(); ++i) {
    const int place = place_of_column_[i];
    if (plan_.field_of_column[i] < 0) {
      auto nulls = arrow::MakeArrayOfNull(target_->field(static_cast<int>(i))->type(), rows);
      if (!nulls.ok()) return std::unexpected(parquet::to_error(nulls.status()));
      columns.push_back(*std::move(nulls));
    } else if (place < 0) {
      columns.push_back(text.column(static_cast<int>(i)));
    } else {
      columns.push_back(typed->column(place));
      has_faults = has_faults ||
                   columns.back()->null_count() != text.column(static_cast<int>(i))->null_count();
    }
  }
  std::vector<int64_t> bad;
  for (int64_t row = 0; has_faults && row < rows; ++row) {
    if (column_at_fault(text, *typed, row) >= 0) bad.push_back(row);
  }
  const auto place_of = [&](int64_t row) -> const files::RecordPlace& {
    return chunk.rows[static_cast<size_t>(first_row + row)];
  };
  const auto keep = [&](int64_t from, int64_t to) {
    if (from >= to) return;
    TypedRows good;
    for (const auto& column : columns) good.columns.push_back(column->Slice(from, to - from));
    std::vector<int64_t> numbers;
    for (int64_t row = from; row < to; ++row) numbers.push_back(place_of(row).record);
    good.record_numbers = std::make_shared<arrow::Int64Array>(
        to - from, arrow::Buffer::FromVector(std::move(numbers)));
    out.rows.push_back(std::move(good));
  };
  if (bad.empty()) {
    keep(0, rows);
    return {};
  }
  const int64_t begin = place_of(bad.front()).byte_offset;
  const auto& last = place_of(bad.back());
  WEIR_ASSIGN(const std::string bytes,
              store_.read(file_, {begin, last.byte_offset + last.byte_length - begin}));
  int64_t from = 0;
  for (const int64_t row : bad) {
    keep(from, row);
    from = row + 1;
    const auto& place = place_of(row);
    const auto at = static_cast<size_t>(place.byte_offset - begin);
    const auto size = static_cast<size_t>(place.byte_length);
    if (at + size > bytes.size()) {
      return fail(ErrorCode::kUnavailable, "'{}' became shorter while it was read", file_);
    }
    const auto column = static_cast<size_t>(column_at_fault(text, *typed, row));
    WEIR_ASSIGN(auto reject, reject_of(place, std::string_view(bytes).substr(at, size), column,
                                       text, *typed, row));
    out.rejects.push_back(std::move(reject));
  }
  keep(from, rows);
  return {};
}

}  // namespace weir::engine::embedded
