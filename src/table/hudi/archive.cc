#include "table/hudi/archive.h"

#include <arrow/array.h>
#include <arrow/builder.h>

#include "base/digest.h"
#include "base/json.h"
#include "parquet/parquet.h"
#include "table/hudi/commit_metadata.h"

// One row an instant: time, action, and the bytes of its three files, null where there is none. A
// row group is what is read at once. The footer's `weir.instants` is JSON: {"format": 1,
// "instants": [[time, action, token, row group], …]}, oldest first.

namespace weir::table {
namespace {

constexpr const char* kInstantsKey = "weir.instants";
constexpr int64_t kFormat = 1;
constexpr int64_t kGroupRows = 128;
constexpr int64_t kGroupBytes = int64_t{8} << 20;

constexpr const char* kTexts[] = {"requested", "inflight", "completed"};

std::shared_ptr<arrow::Schema> archive_schema() {
  arrow::FieldVector fields = {arrow::field("time", arrow::utf8()),
                               arrow::field("action", arrow::utf8())};
  for (const char* name : kTexts) fields.push_back(arrow::field(name, arrow::binary()));
  return arrow::schema(std::move(fields));
}

/// Rows on their way into a row group.
class Rows {
 public:
  Status add(storage::Storage& store, const InstantFiles& instant) {
    WEIR_TRY(done(time_.Append(instant.time)));
    WEIR_TRY(done(action_.Append(instant.action)));
    const std::string* names[] = {&instant.requested, &instant.inflight, &instant.completed};
    for (size_t i = 0; i < std::size(names); ++i) {
      if (names[i]->empty()) {
        WEIR_TRY(done(texts_[i].AppendNull()));
        continue;
      }
      WEIR_ASSIGN(const std::string text, store.read(*names[i], storage::Range::all()));
      WEIR_TRY(done(texts_[i].Append(text)));
      bytes_ += static_cast<int64_t>(text.size());
      if (names[i] == &instant.completed) completed_ = text;
    }
    ++rows_;
    return {};
  }

  bool is_full() const { return rows_ >= kGroupRows || bytes_ >= kGroupBytes; }
  int64_t rows() const { return rows_; }
  /// Of the instant that was added last.
  const std::string& completed() const { return completed_; }

  Result<std::shared_ptr<arrow::RecordBatch>> take() {
    arrow::ArrayVector columns(2 + std::size(kTexts));
    WEIR_TRY(done(time_.Finish(&columns[0])));
    WEIR_TRY(done(action_.Finish(&columns[1])));
    for (size_t i = 0; i < std::size(kTexts); ++i)
      WEIR_TRY(done(texts_[i].Finish(&columns[2 + i])));
    auto batch = arrow::RecordBatch::Make(archive_schema(), rows_, std::move(columns));
    rows_ = bytes_ = 0;
    return batch;
  }

 private:
  static Status done(const arrow::Status& status) {
    if (status.ok()) return {};
    return std::unexpected(parquet::to_error(status));
  }

  arrow::StringBuilder time_;
  arrow::StringBuilder action_;
  arrow::BinaryBuilder texts_[std::size(kTexts)];
  std::string completed_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

/// Of all that a batch says.
std::string digest_of(const arrow::RecordBatch& batch) {
  Sha256 digest;
  for (int column = 0; column < batch.num_columns(); ++column) {
    const auto& values = static_cast<const arrow::BinaryArray&>(*batch.column(column));
    for (int64_t row = 0; row < values.length(); ++row) {
      digest.update(fmt::format("{} ", values.IsNull(row) ? -1 : values.value_length(row)));
      digest.update(values.GetView(row));
    }
  }
  return digest.finish_hex();
}

std::string token_in(std::string_view completed, const InstantFiles& instant) {
  if (instant.action != action_name(Action::kCommit) &&
      instant.action != action_name(Action::kReplaceCommit))
    return {};
  const auto metadata = parse_commit_metadata(completed, instant.completed);
  if (!metadata) return {};  // its bytes are kept as they are
  const auto token = metadata->extra.find(kTokenKey);
  return token == metadata->extra.end() ? std::string() : token->second;
}

Status check_reads_back(storage::Storage& store, const std::string& name,
                        const std::vector<std::string>& digests) {
  WEIR_ASSIGN(const auto reader, parquet::open_file(store, name));
  bool is_same = reader->info().row_groups == std::ssize(digests);
  for (int64_t group = 0; is_same && group < reader->info().row_groups; ++group) {
    WEIR_ASSIGN(const auto batch, reader->read_row_group(group, {}));
    is_same = batch->schema()->Equals(*archive_schema()) &&
              digest_of(*batch) == digests[static_cast<size_t>(group)];
  }
  if (is_same) return {};
  return fail_with_hint(ErrorCode::kCorrupt,
                        fmt::format("{} does not read back as it was written", name),
                        "the timeline is as it was; look at the store that holds it");
}

}  // namespace

Result<std::string> put_archive(storage::Storage& store, const std::vector<InstantFiles>& instants,
                                const Cancel& cancel) {
  if (instants.empty()) return fail(ErrorCode::kInternal, "an archive of no instant");
  const std::string name =
      fmt::format("{}{}_{}.parquet", kArchiveFolder, instants.front().time, instants.back().time);
  parquet::WriteOptions options;
  options.row_group_rows = kGroupRows;
  options.row_group_bytes = 1;  // each batch is one
  WEIR_ASSIGN(const auto writer, parquet::create_file(store, name, archive_schema(), options));
  Json told = Json::array();
  std::vector<std::string> digests;
  Rows rows;
  const auto flush = [&]() -> Status {
    WEIR_ASSIGN(const auto batch, rows.take());
    digests.push_back(digest_of(*batch));
    return writer->write(*batch);
  };
  for (const auto& instant : instants) {
    WEIR_TRY(cancel.check());
    WEIR_TRY(rows.add(store, instant));
    told.push_back(
        {instant.time, instant.action, token_in(rows.completed(), instant), digests.size()});
    if (rows.is_full()) WEIR_TRY(flush());
  }
  if (rows.rows() > 0) WEIR_TRY(flush());
  const Json footer = {{"format", kFormat}, {"instants", std::move(told)}};
  WEIR_TRY(writer->commit({{kInstantsKey, dump_json(footer)}}, storage::Put::kIfAbsent));
  const Status is_well = check_reads_back(store, name, digests);
  if (is_well) return name;
  (void)store.remove(name);  // else the next trim would take it for one that holds them
  return std::unexpected(is_well.error());
}

Status Archive::refresh(storage::Storage& store) {
  WEIR_ASSIGN(const auto entries, storage::list_all(store, kArchiveFolder));
  for (const auto& entry : entries) {
    if (!entry.name.ends_with(".parquet") || seen_.contains(entry.name)) continue;
    WEIR_TRY(while_doing(add(store, entry.name), "reading the archive of the timeline"));
    seen_.insert(entry.name);
  }
  return {};
}

Status Archive::add(storage::Storage& store, const std::string& archive) {
  WEIR_ASSIGN(const parquet::FileInfo info, parquet::read_info(store, archive));
  const auto footer = info.footer.find(kInstantsKey);
  if (footer == info.footer.end())
    return fail(ErrorCode::kCorrupt, "{} is no archive of a timeline: its footer has no {}",
                archive, kInstantsKey);
  const auto json = parse_json(footer->second);
  const auto format = json ? json_field<int64_t>(*json, "format") : Result<int64_t>(0);
  if (!format || (*format <= kFormat && (*format < 1 || !json->contains("instants"))))
    return fail(ErrorCode::kCorrupt, "{} does not name its instants", archive);
  if (*format > kFormat)
    return fail(ErrorCode::kUnsupported, "{} is of format {}, which a later weir wrote", archive,
                *format);
  for (const auto& told : json->at("instants")) {
    if (!told.is_array() || told.size() != 4 || !told[0].is_string() || !told[1].is_string() ||
        !told[2].is_string() || !told[3].is_number_integer())
      return fail(ErrorCode::kCorrupt, "{} names an instant that is none: {}", archive,
                  dump_json(told));
    const auto time = told[0].get<std::string>();
    const auto action = told[1].get<std::string>();
    const auto token = told[2].get<std::string>();
    actions_.emplace(time, action);
    if (action != action_name(Action::kCommit) && action != action_name(Action::kReplaceCommit))
      continue;
    commits_.insert_or_assign(time, Place{action, archive, told[3].get<int64_t>()});
    if (token.empty()) continue;
    auto [known, is_new] = tokens_.try_emplace(token, time);
    if (!is_new) known->second = std::max(known->second, time);
  }
  return {};
}

std::vector<Instant> Archive::commits() const {
  std::vector<Instant> commits;
  for (const auto& [time, place] : commits_)
    commits.push_back({time, place.action, Instant::State::kCompleted,
                       instant_file(time, place.action, Instant::State::kCompleted)});
  return commits;
}

std::optional<Instant> Archive::find_commit(std::string_view time) const {
  const auto found = commits_.find(time);
  if (found == commits_.end()) return std::nullopt;
  const std::string& action = found->second.action;
  return Instant{found->first, action, Instant::State::kCompleted,
                 instant_file(found->first, action, Instant::State::kCompleted)};
}

std::optional<Instant> Archive::find_token(const std::string& token) const {
  const auto found = tokens_.find(token);
  return found == tokens_.end() ? std::nullopt : find_commit(found->second);
}

Result<std::map<std::string, std::string>> Archive::read_around(storage::Storage& store,
                                                                std::string_view time) const {
  const auto place = commits_.find(time);
  if (place == commits_.end()) return fail(ErrorCode::kNotFound, "commit {} is not archived", time);
  WEIR_ASSIGN(const auto reader, parquet::open_file(store, place->second.archive));
  WEIR_ASSIGN(const auto batch, reader->read_row_group(place->second.row_group, {}));
  if (!batch->schema()->Equals(*archive_schema()))
    return fail(ErrorCode::kCorrupt, "{} has other columns than an archive", place->second.archive);
  const auto column = [&](int index) -> const arrow::BinaryArray& {
    return static_cast<const arrow::BinaryArray&>(*batch->column(index));
  };
  std::map<std::string, std::string> texts;
  for (int64_t row = 0; row < batch->num_rows(); ++row) {
    const std::string_view action = column(1).GetView(row);
    if (action != action_name(Action::kCommit) && action != action_name(Action::kReplaceCommit))
      continue;
    texts[instant_file(column(0).GetView(row), action, Instant::State::kCompleted)] =
        column(4).GetString(row);
  }
  if (!texts.contains(instant_file(time, place->second.action, Instant::State::kCompleted)))
    return fail(ErrorCode::kCorrupt, "{} does not hold commit {} where its footer says",
                place->second.archive, time);
  return texts;
}

}  // namespace weir::table
