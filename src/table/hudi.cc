#include "table/hudi.h"

#include <ranges>

#include "table/hudi/commit.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"
#include "table/hudi/recovery.h"
#include "table/hudi/row_reader.h"
#include "table/hudi/snapshots.h"
#include "table/hudi/table_schema.h"

namespace weir::table {
namespace {

Result<TableProperties> read_properties(storage::Storage& store) {
  auto text = store.read(kPropertiesFile, storage::Range::all());
  if (!text && text.error().code == ErrorCode::kNotFound)
    return fail(ErrorCode::kNotFound, "there is no Hudi table at {}: it has no {}", store.uri(),
                kPropertiesFile);
  if (!text) return std::unexpected(text.error());
  WEIR_ASSIGN(TableProperties properties, parse_properties(*text));
  WEIR_TRY(while_doing(check_readable(properties), "opening the table at " + store.uri()));
  return properties;
}

/// kSchemaDrift unless every column of the table is still there, its type the same or wider.
Status check_widens(const model::Schema& table, const model::Schema& wanted) {
  for (const auto& column : table) {
    const model::Column* same = model::find_column(wanted, column.name);
    if (same == nullptr)
      return fail_with_hint(
          ErrorCode::kSchemaDrift,
          fmt::format("the commit leaves out the table's column '{}'", column.name),
          "keep the column; its new rows may hold nulls there");
    // Text and its kin look the same in Avro and Parquet once Spark has written a commit.
    const bool is_kin = parquet::to_arrow({column}) && parquet::to_arrow({*same}) &&
                        (*parquet::to_arrow({column}))->Equals(**parquet::to_arrow({*same}));
    if (!is_kin && !model::widens(column.type, same->type))
      return fail(ErrorCode::kSchemaDrift,
                  "column '{}' is {} in the table and does not widen to {}", column.name,
                  model::to_text(column.type), model::to_text(same->type));
  }
  return {};
}

class NativeTable final : public HudiTable {
 public:
  NativeTable(const TableContext& context, TableProperties properties)
      : context_(context),
        properties_(std::move(properties)),
        log_(*context.store, layout_of(properties_)) {}

  const std::map<std::string, std::string>& properties() const override { return properties_; }
  storage::Storage& store() override { return *context_.store; }

  Result<Snapshot> snapshot(const std::string& at) override {
    return take_snapshot(properties_, log_, at);
  }
  Result<Changes> changes(const std::string& from, const std::string& to) override {
    return take_changes(properties_, log_, from, to);
  }
  Result<std::unique_ptr<RowReader>> read(const Snapshot& snapshot,
                                          const ReadOptions& options) override {
    return make_row_reader(store(), properties_,
                           {snapshot.schema, snapshot.path_columns, snapshot.slices, nullptr},
                           options);
  }
  Result<std::unique_ptr<RowReader>> read(const Changes& changes,
                                          const ReadOptions& options) override;
  Status check_writable() const override { return table::check_writable(properties_); }
  Result<std::vector<std::string>> missing_files() override { return table::missing_files(log_); }
  Result<std::vector<CommitInfo>> commits() override;
  Result<std::optional<CommitInfo>> find_token(const std::string& token) override;
  Result<int64_t> roll_back_leftovers() override;
  Result<std::unique_ptr<Commit>> begin(const BeginOptions& options) override;
  Result<std::unique_ptr<parquet::FileReader>> open(const FileSlice& slice) override {
    return parquet::open_file(store(), slice.name);
  }

 private:
  TableContext context_;
  TableProperties properties_;
  CommitLog log_;
};

Result<std::unique_ptr<RowReader>> NativeTable::read(const Changes& changes,
                                                     const ReadOptions& options) {
  RowSource source{changes.schema, changes.path_columns, changes.slices, nullptr};
  if (!changes.instants.empty()) {
    source.is_wanted = [instants = changes.instants](std::string_view time) {
      return instants.contains(time);
    };
  } else if (!changes.from.empty()) {
    source.is_wanted = [from = changes.from](std::string_view time) {
      return time.substr(0, from.size()) > from;
    };
  }
  return make_row_reader(store(), properties_, std::move(source), options);
}

Result<std::vector<CommitInfo>> NativeTable::commits() {
  WEIR_ASSIGN(const Timeline timeline, log_.timeline());
  std::vector<CommitInfo> infos;
  for (const auto& commit : timeline.commits()) {
    WEIR_ASSIGN(const auto metadata, log_.read(commit));
    infos.push_back(info_of(commit, *metadata));
  }
  return infos;
}

Result<std::optional<CommitInfo>> NativeTable::find_token(const std::string& token) {
  WEIR_ASSIGN(const Timeline timeline, log_.timeline());
  // The newest first: a retry's token is mostly among the last.
  for (const auto& commit : timeline.commits() | std::views::reverse) {
    WEIR_ASSIGN(const auto metadata, log_.read(commit));
    const auto found = metadata->extra.find(kTokenKey);
    if (found != metadata->extra.end() && found->second == token) return info_of(commit, *metadata);
  }
  return std::nullopt;
}

Result<int64_t> NativeTable::roll_back_leftovers() {
  WEIR_TRY(check_writable());
  if (context_.guard != nullptr) WEIR_TRY(context_.guard->still_mine());
  return roll_back_all(store(), property_or(properties_, kOwnerProperty, "") == kOwnerName);
}

Result<std::unique_ptr<Commit>> NativeTable::begin(const BeginOptions& options) {
  // Spark may have upgraded the table since it was opened: its files would then go unseen.
  WEIR_ASSIGN(const TableProperties now, read_properties(store()));
  WEIR_TRY(table::check_writable(now));
  const std::string partitions = property_or(now, "hoodie.table.metadata.partitions", "");
  if (!partitions.empty())
    return fail_with_hint(
        ErrorCode::kUnsupported,
        fmt::format(
            "{}: hoodie.table.metadata.partitions is '{}'; readers that trust Hudi's metadata "
            "table would not see new files",
            kPropertiesFile, partitions),
        "empty that property and then delete .hoodie/metadata");
  if (options.action == Action::kCommit) {
    WEIR_ASSIGN(const Timeline timeline, log_.timeline());
    WEIR_ASSIGN(const model::Schema schema, schema_at(now, log_, timeline.commits()));
    WEIR_TRY(check_widens(schema, options.schema));
  }
  return begin_commit(context_, log_, now, options);
}

}  // namespace

Result<std::unique_ptr<HudiTable>> open_table(const TableContext& context) {
  WEIR_ASSIGN(TableProperties properties, read_properties(*context.store));
  return std::make_unique<NativeTable>(context, std::move(properties));
}

Result<std::unique_ptr<HudiTable>> create_table(const TableContext& context,
                                                const TableOptions& options) {
  WEIR_ASSIGN(const TableProperties wanted, properties_of_new_table(options));
  const auto put = storage::put(*context.store, kPropertiesFile, format_properties(wanted),
                                storage::Put::kIfAbsent);
  const bool may_be_there = put || put.error().code == ErrorCode::kAlreadyExists ||
                            put.error().code == ErrorCode::kOutcomeUnknown;
  if (!may_be_there) return std::unexpected(put.error());
  WEIR_ASSIGN(TableProperties there, read_properties(*context.store));
  WEIR_TRY(check_writable(there));
  static constexpr std::string_view kKey = "hoodie.table.recordkey.fields";
  if (property_or(there, kKey, "") != property_or(wanted, kKey, ""))
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format("the table at {} has the record key '{}', not '{}'", context.store->uri(),
                    property_or(there, kKey, ""), property_or(wanted, kKey, "")),
        "a table's key cannot change: give the dataset another name or root");
  return std::make_unique<NativeTable>(context, std::move(there));
}

}  // namespace weir::table
