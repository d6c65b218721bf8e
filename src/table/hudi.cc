#include "table/hudi.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "table/hudi/bucket_groups.h"
#include "table/hudi/commit.h"
#include "table/hudi/file_slices.h"
#include "table/hudi/properties.h"
#include "table/hudi/recovery.h"
#include "table/hudi/row_reader.h"
#include "table/hudi/snapshots.h"
#include "table/hudi/table_schema.h"
#include "table/hudi/under_way.h"

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

bool is_owned(const TableProperties& properties) {
  return property_or(properties, kOwnerProperty, "") == kOwnerName;
}

Status check_no_metadata_table(const TableProperties& properties) {
  const std::string partitions = property_or(properties, "hoodie.table.metadata.partitions", "");
  if (partitions.empty()) return {};
  return fail_with_hint(
      ErrorCode::kUnsupported,
      fmt::format(
          "{}: hoodie.table.metadata.partitions is '{}'; readers that trust Hudi's metadata "
          "table would not see new files",
          kPropertiesFile, partitions),
      "`weir table repair` empties that property and deletes .hoodie/metadata");
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
  Result<std::unique_ptr<Turn>> prepare(Action action) override;
  Result<std::unique_ptr<Commit>> begin(const BeginOptions& options) override;
  Result<std::unique_ptr<parquet::FileReader>> open(const FileSlice& slice) override {
    return parquet::open_file(store(), slice.name);
  }

  /// Whether such a commit may be made; the properties as they are now.
  Result<TableProperties> check_fits(const BeginOptions& options);
  CommitLog& log() { return log_; }

 private:
  Result<TableProperties> writable_properties() const;
  Status put_first_commit(const TableProperties& properties);

  TableContext context_;
  TableProperties properties_;
  CommitLog log_;
};

class NativeTurn final : public Turn {
 public:
  NativeTurn(const TableContext& context, NativeTable& table, Action action, std::string instant)
      : context_(context), table_(table), action_(action), instant_(std::move(instant)) {}
  ~NativeTurn() override { give_back(); }

  int64_t rolled_back() const override { return rolled_back_; }
  void set_rolled_back(int64_t commits) { rolled_back_ = commits; }
  const std::string& instant() const { return instant_; }

  Result<std::unique_ptr<Commit>> begin(const BeginOptions& options) override;

 private:
  /// Nothing but `.requested` is there. Where it stays, the next roll-back removes it.
  void give_back() {
    if (instant_.empty()) return;
    if (context_.guard != nullptr && !context_.guard->still_mine()) return;
    (void)give_instant_back(table_.store(), instant_, action_);
  }

  const TableContext& context_;
  NativeTable& table_;
  Action action_;
  std::string instant_;  ///< Empty: it is a commit's now.
  int64_t rolled_back_ = 0;
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
  WEIR_ASSIGN(std::vector<Instant> commits, log_.archived(timeline));
  commits.insert(commits.end(), timeline.commits().begin(), timeline.commits().end());
  // What left the timeline while it was listed may be between.
  std::ranges::sort(commits, {}, &Instant::time);
  std::vector<CommitInfo> infos;
  for (const auto& commit : commits) {
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
  WEIR_ASSIGN(const auto archived, log_.find_archived_token(token));
  if (!archived) return std::nullopt;
  WEIR_ASSIGN(const auto metadata, log_.read(*archived));
  return info_of(*archived, *metadata);
}

Result<TableProperties> NativeTable::writable_properties() const {
  // Spark may have upgraded the table since it was opened: its files would then go unseen.
  WEIR_ASSIGN(TableProperties now, read_properties(*context_.store));
  WEIR_TRY(table::check_writable(now));
  return now;
}

Result<std::unique_ptr<Turn>> NativeTable::prepare(Action action) {
  WEIR_ASSIGN(const TableProperties now, writable_properties());
  const std::string what = "taking an instant of the table at " + store().uri();
  const bool is_own = is_owned(now);
  WEIR_ASSIGN(std::string instant, while_doing(take_instant(context_, action, is_own), what));
  auto turn = std::make_unique<NativeTurn>(context_, *this, action, std::move(instant));
  WEIR_ASSIGN(const RolledBack done, roll_back_all(store(), is_own, turn->instant()));
  if (!done.has_commits) {
    WEIR_TRY(while_doing(put_first_commit(now), "beginning the table at " + store().uri()));
    turn.reset();  // not before: its instant must not be given to another commit
    WEIR_ASSIGN(instant, while_doing(take_instant(context_, action, is_own), what));
    turn = std::make_unique<NativeTurn>(context_, *this, action, std::move(instant));
  }
  turn->set_rolled_back(done.undone);
  return turn;
}

/// Files older than the first commit count as committed: they would be of an archived one. So a
/// table begins with a commit that has none, and a writer that sleeps over its lease can finish no
/// file that is older than all commits.
Status NativeTable::put_first_commit(const TableProperties& properties) {
  BeginOptions options;
  options.operation_type = "INSERT";
  WEIR_ASSIGN(options.schema, schema_at(properties, log_, {}));
  // Of a table of Spark's: one that says nothing of its columns, or is not to be written to.
  if (options.schema.empty() || !check_no_metadata_table(properties)) return {};
  options.token = "create " + make_uuid4(*context_.random);
  WEIR_ASSIGN(std::string instant, take_instant(context_, options.action, is_owned(properties)));
  WEIR_ASSIGN(const auto commit,
              begin_commit(context_, log_, properties, options, std::move(instant)));
  WEIR_TRY(commit->complete({{kServiceKey, kCreateService}}));
  return {};
}

Result<TableProperties> NativeTable::check_fits(const BeginOptions& options) {
  WEIR_TRY(model::check_readable_by(context_.readers, options.schema));
  WEIR_ASSIGN(TableProperties now, writable_properties());
  WEIR_TRY(check_no_metadata_table(now));
  if (options.action == Action::kCommit) {
    WEIR_ASSIGN(const Timeline timeline, log_.timeline());
    WEIR_ASSIGN(const model::Schema schema, schema_at(now, log_, timeline.commits()));
    WEIR_TRY(check_widens(schema, options.schema));
  }
  return now;
}

Result<std::unique_ptr<Commit>> NativeTable::begin(const BeginOptions& options) {
  WEIR_ASSIGN(const TableProperties now, check_fits(options));
  WEIR_ASSIGN(std::string instant, take_instant(context_, options.action, is_owned(now)));
  return begin_commit(context_, log_, now, options, std::move(instant));
}

Result<std::unique_ptr<Commit>> NativeTurn::begin(const BeginOptions& options) {
  if (instant_.empty() || options.action != action_)
    return fail(ErrorCode::kInternal, "a commit to '{}' that was not prepared",
                table_.store().uri());
  WEIR_ASSIGN(const TableProperties now, table_.check_fits(options));
  WEIR_TRY(check_none_under_way(table_.store(), instant_));
  if (!is_owned(now)) {
    WEIR_ASSIGN(const Snapshot snapshot, table_.snapshot(""));
    WEIR_TRY(check_no_buckets(snapshot.slices));
  }
  return begin_commit(context_, table_.log(), now, options, std::exchange(instant_, ""));
}

}  // namespace

Result<std::unique_ptr<HudiTable>> open_table(const TableContext& context) {
  WEIR_ASSIGN(TableProperties properties, read_properties(*context.store));
  return std::make_unique<NativeTable>(context, std::move(properties));
}

Result<std::unique_ptr<HudiTable>> create_table(const TableContext& context,
                                                const TableOptions& options) {
  WEIR_TRY(model::check_readable_by(context.readers, options.schema));
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
