#include "table/hudi/commit.h"

#include <algorithm>
#include <mutex>

#include "base/json.h"
#include "table/hudi/avro_schema.h"
#include "table/hudi/group_writer.h"
#include "table/hudi/recovery.h"
#include "table/hudi/timeline.h"

// The order of one commit, T being its instant:
//   1. the guard is asked; T = max(now, last + 1 ms); `T.<action>.requested` is created exclusively
//   2. `T.inflight` with weir's token and a mark of this very attempt
//   3. a marker before each data file, then the file; its name carries the write token
//   4. asked again: the guard, the inflight file (nobody has rolled us back), and that each group
//      touched still is as it was read
//   5. `T.<action>` by put-if-absent. Its appearance is the commit. Where the answer is lost, the
//      file is read back and compared
//   6. the markers go
// A writer that dies before 5 left nothing visible, and recovery.cc undoes it. Between 4 and 5 only
// the guard keeps a second writer from undoing us: a lease that ends there is the one window left.

namespace weir::table {
namespace {

constexpr int kInstantTries = 100;
constexpr int kPutTries = 3;

class NativeCommit final : public Commit {
 public:
  NativeCommit(const TableContext& context, CommitLog& log, std::string table_name,
               BeginOptions options)
      : context_(context), log_(log), name_(std::move(table_name)), options_(std::move(options)) {}
  ~NativeCommit() override;

  Status begin();

  const std::string& instant() const override { return instant_; }
  const model::Schema& schema() const override { return options_.schema; }
  Result<std::unique_ptr<GroupWriter>> new_group(Role role, const std::string& partition) override;
  Result<std::unique_ptr<GroupWriter>> next_version(const FileSlice& previous, Role role) override;
  void replace(const FileSlice& slice) override;
  Result<CommitInfo> complete(const std::map<std::string, std::string>& extra) override;

 private:
  storage::Storage& store() const { return *context_.store; }
  std::string file_in(Instant::State state) const {
    return instant_file(instant_, action_name(options_.action), state);
  }
  Status still_mine() const { return context_.guard ? context_.guard->still_mine() : Status{}; }
  Instant as_instant() const {
    return {instant_, std::string(action_name(options_.action)), Instant::State::kCompleted,
            file_in(Instant::State::kCompleted)};
  }

  Status request_instant();
  Status put_inflight();
  Result<bool> is_inflight_ours() const;
  Status put_partition_metadata(const std::string& partition);
  Result<std::unique_ptr<GroupWriter>> open_group(GroupPlan plan);
  Status check_not_overtaken();
  CommitMetadata metadata_for(const std::map<std::string, std::string>& extra) const;
  Status publish(const CommitMetadata& metadata);
  Status settle_by_reading(const Error& doubt);
  Status undo();

  TableContext context_;
  CommitLog& log_;
  std::string name_;
  BeginOptions options_;
  std::string instant_;
  std::string attempt_;  ///< Made up anew for each attempt: tells our files from a twin's.
  std::string avro_;
  std::string avro_with_meta_;
  std::shared_ptr<arrow::Schema> file_schema_;
  bool may_be_visible_ = false;  ///< From the completed file's put on: never undone by us.

  std::mutex mutex_;  // groups may be written from several threads
  int64_t opened_ WEIR_GUARDED_BY(mutex_) = 0;
  std::vector<WriteStat> stats_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, Role> roles_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, std::string> hashes_ WEIR_GUARDED_BY(mutex_);
  std::vector<FileSlice> touched_ WEIR_GUARDED_BY(mutex_);
  std::vector<FileSlice> replaced_ WEIR_GUARDED_BY(mutex_);
};

bool is_write_token(std::string_view text) {
  // `n-0-n` as Spark's task, stage and attempt; readers take the name apart by it.
  return std::ranges::count(text, '-') == 2 && !text.starts_with('-') && !text.ends_with('-') &&
         text.find("--") == std::string_view::npos &&
         text.find_first_not_of("0123456789-") == std::string_view::npos;
}

Status NativeCommit::begin() {
  if (!is_write_token(options_.write_token))
    return fail(ErrorCode::kInternal, "write token '{}' is not n-0-n", options_.write_token);
  if (options_.schema.empty())
    return fail(ErrorCode::kInternal, "a commit to '{}' without columns", name_);
  WEIR_ASSIGN(avro_, avro_schema_text(name_, options_.schema, MetaColumns::kLeftOut));
  WEIR_ASSIGN(avro_with_meta_, avro_schema_text(name_, options_.schema, MetaColumns::kFirst));
  WEIR_ASSIGN(file_schema_, file_schema(options_.schema));
  attempt_ = make_uuid4(*context_.random);
  WEIR_TRY(still_mine());
  WEIR_TRY(request_instant());
  return put_inflight();
}

Status NativeCommit::request_instant() {
  std::string last;
  for (int tries = 0; tries < kInstantTries; ++tries) {
    WEIR_ASSIGN(const Timeline timeline, Timeline::load(store()));
    last = std::max(last, timeline.last_time());
    WEIR_ASSIGN(const std::string time, next_instant_time(*context_.clock, last));
    const std::string file =
        instant_file(time, action_name(options_.action), Instant::State::kRequested);
    const auto put = storage::put(store(), file, "", storage::Put::kIfAbsent);
    if (put) {
      instant_ = time;
      return {};
    }
    // An empty file does not tell whose it is, so one that may be ours is left to the roll-back.
    const ErrorCode code = put.error().code;
    if (code != ErrorCode::kAlreadyExists && code != ErrorCode::kOutcomeUnknown)
      return std::unexpected(put.error());
    last = time;
  }
  return fail(ErrorCode::kConflict, "table '{}': {} instants in a row were taken by others", name_,
              kInstantTries);
}

Status NativeCommit::put_inflight() {
  CommitMetadata metadata;
  metadata.operation_type = options_.operation_type;
  metadata.extra = {{kTokenKey, options_.token}, {kAttemptKey, attempt_}};
  const auto put = storage::put(store(), file_in(Instant::State::kInflight),
                                to_text(metadata, options_.action), storage::Put::kIfAbsent);
  if (put) return {};
  if (put.error().code != ErrorCode::kOutcomeUnknown) return std::unexpected(put.error());
  WEIR_ASSIGN(const bool is_ours, is_inflight_ours());
  if (is_ours) return {};
  return std::unexpected(put.error());
}

Result<bool> NativeCommit::is_inflight_ours() const {
  const std::string file = file_in(Instant::State::kInflight);
  const auto text = store().read(file, storage::Range::all());
  if (!text && text.error().code == ErrorCode::kNotFound) return false;
  if (!text) return std::unexpected(text.error());
  const auto metadata = parse_commit_metadata(*text, file);
  if (!metadata) return false;
  const auto attempt = metadata->extra.find(kAttemptKey);
  return attempt != metadata->extra.end() && attempt->second == attempt_;
}

Result<std::unique_ptr<GroupWriter>> NativeCommit::new_group(Role role,
                                                             const std::string& partition) {
  GroupPlan plan;
  plan.file_group_id = make_uuid4(*context_.random) + "-0";
  plan.partition = partition;
  plan.role = role;
  return open_group(std::move(plan));
}

Result<std::unique_ptr<GroupWriter>> NativeCommit::next_version(const FileSlice& previous,
                                                                Role role) {
  {
    const std::lock_guard lock(mutex_);
    const auto is_same = [&](const FileSlice& slice) { return slice.name == previous.name; };
    if (std::ranges::any_of(touched_, is_same))
      return fail(ErrorCode::kInternal, "{} has its next version in this commit already",
                  previous.name);
    touched_.push_back(previous);
  }
  GroupPlan plan;
  plan.file_group_id = previous.file_group_id;
  plan.partition = previous.partition;
  plan.role = role;
  plan.previous = previous;
  return open_group(std::move(plan));
}

Status NativeCommit::put_partition_metadata(const std::string& partition) {
  const auto depth = partition.empty() ? 0 : 1 + std::ranges::count(partition, '/');
  const std::string file =
      partition + (partition.empty() ? "" : "/") + ".hoodie_partition_metadata";
  const auto put = storage::put(
      store(), file,
      fmt::format("#partition metadata\ncommitTime={}\npartitionDepth={}\n", instant_, depth),
      storage::Put::kIfAbsent);
  if (put || put.error().code == ErrorCode::kAlreadyExists) return {};
  // Whoever's it is, it says the same.
  if (put.error().code == ErrorCode::kOutcomeUnknown && store().stat(file)) return {};
  return std::unexpected(put.error());
}

Result<std::unique_ptr<GroupWriter>> NativeCommit::open_group(GroupPlan plan) {
  plan.instant = instant_;
  plan.name = data_file_name(plan.partition, plan.file_group_id, options_.write_token, instant_);
  plan.token = options_.token;
  plan.avro_schema = avro_with_meta_;
  plan.schema = file_schema_;
  plan.bloom_false_positives = options_.bloom_false_positives;
  plan.threads = context_.threads;
  {
    const std::lock_guard lock(mutex_);
    plan.ordinal = opened_++;
  }
  WEIR_TRY(put_partition_metadata(plan.partition));
  // Replaced where it is there: a marker says one thing only, and a lost answer is tried again.
  WEIR_TRY(storage::put(store(), marker_file(instant_, plan.name, plan.previous.name.empty()), "",
                        storage::Put::kReplace));
  return make_group_writer(store(), std::move(plan),
                           [this](const FileSlice& slice, const WriteStat& stat) {
                             const std::lock_guard lock(mutex_);
                             stats_.push_back(stat);
                             roles_[slice.file_group_id] = slice.role;
                             hashes_[slice.file_group_id] = slice.sha256;
                           });
}

void NativeCommit::replace(const FileSlice& slice) {
  const std::lock_guard lock(mutex_);
  replaced_.push_back(slice);
}

Status NativeCommit::check_not_overtaken() {
  const auto overtaken = [&](std::string why) {
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format("commit {} of table '{}' was overtaken: {}", instant_, name_, why),
        "nothing of it is visible; run the task again");
  };
  WEIR_TRY(still_mine());
  WEIR_ASSIGN(const bool is_ours, is_inflight_ours());
  if (!is_ours) return overtaken("another writer has rolled it back");
  const std::lock_guard lock(mutex_);
  if (static_cast<size_t>(opened_) != stats_.size())
    return fail(ErrorCode::kInternal, "commit {}: {} of {} files are not finished", instant_,
                static_cast<size_t>(opened_) - stats_.size(), opened_);
  if (!replaced_.empty() && options_.action != Action::kReplaceCommit)
    return fail(ErrorCode::kInternal, "commit {} replaces groups but is no replacecommit",
                instant_);
  if (touched_.empty() && replaced_.empty()) return {};
  WEIR_ASSIGN(const Timeline timeline, Timeline::load(store()));
  WEIR_ASSIGN(const auto files, list_data_files(store()));
  WEIR_ASSIGN(const auto live, live_files(timeline, log_, files, ""));
  for (const auto* slices : {&touched_, &replaced_}) {
    for (const auto& slice : *slices) {
      const auto now = live.find({slice.partition, slice.file_group_id});
      if (now == live.end()) return overtaken(slice.name + " is no longer part of the table");
      if (now->second.name != slice.name)
        return overtaken(now->second.name + " is newer than what was read");
    }
  }
  return {};
}

CommitMetadata NativeCommit::metadata_for(const std::map<std::string, std::string>& extra) const {
  CommitMetadata metadata;
  metadata.stats = stats_;
  std::ranges::sort(metadata.stats, {}, &WriteStat::path);
  metadata.operation_type = options_.operation_type;
  metadata.extra = extra;
  metadata.extra[kSchemaKey] = avro_;
  metadata.extra[kTokenKey] = options_.token;
  metadata.extra[kAttemptKey] = attempt_;
  Json roles = Json::object();
  for (const auto& [group, role] : roles_) roles[group] = to_text(role);
  metadata.extra[kRolesKey] = dump_json(roles);
  metadata.extra[kHashesKey] = dump_json(Json(hashes_));
  for (const auto& slice : replaced_)
    metadata.replaced[slice.partition].push_back(slice.file_group_id);
  return metadata;
}

Result<CommitInfo> NativeCommit::complete(const std::map<std::string, std::string>& extra) {
  if (may_be_visible_)
    return fail(ErrorCode::kInternal, "commit {} was completed before", instant_);
  WEIR_TRY(check_not_overtaken());
  const CommitMetadata metadata = metadata_for(extra);
  WEIR_TRY(publish(metadata));
  // The commit stands. Markers that stay are removed by the next roll-back, so no failure here.
  (void)remove_markers(store(), instant_);
  return info_of(as_instant(), metadata);
}

Status NativeCommit::publish(const CommitMetadata& metadata) {
  const std::string text = to_text(metadata, options_.action);
  may_be_visible_ = true;
  for (int tries = 1;; ++tries) {
    const auto put =
        storage::put(store(), file_in(Instant::State::kCompleted), text, storage::Put::kIfAbsent);
    if (put) return {};
    const ErrorCode code = put.error().code;
    if (code != ErrorCode::kAlreadyExists && code != ErrorCode::kOutcomeUnknown) {
      may_be_visible_ = false;
      return std::unexpected(put.error());
    }
    const Status settled = settle_by_reading(put.error());
    // Not there, though it may have been on its way: putting it again is the same put.
    if (settled || settled.error().code != ErrorCode::kNotFound) return settled;
    if (tries == kPutTries) return std::unexpected(put.error());
  }
}

Status NativeCommit::settle_by_reading(const Error& doubt) {
  const std::string file = file_in(Instant::State::kCompleted);
  const auto text = store().read(file, storage::Range::all());
  if (!text && text.error().code == ErrorCode::kNotFound) return std::unexpected(text.error());
  if (!text) {
    Error unknown = doubt;
    unknown.code = ErrorCode::kOutcomeUnknown;
    return std::unexpected(std::move(unknown).while_doing(fmt::format("publishing {}", file)));
  }
  const auto stored = parse_commit_metadata(*text, file);
  const auto attempt = stored ? stored->extra.find(kAttemptKey)
                              : std::map<std::string, std::string>::const_iterator{};
  if (stored && attempt != stored->extra.end() && attempt->second == attempt_) return {};
  may_be_visible_ = false;  // it is another's file: ours never appeared
  return fail(ErrorCode::kConflict, "{} was put by another writer", file);
}

Status NativeCommit::undo() {
  const auto completed = store().stat(file_in(Instant::State::kCompleted));
  if (completed || completed.error().code != ErrorCode::kNotFound) return {};
  WEIR_ASSIGN(const bool is_ours, is_inflight_ours());
  if (is_ours) return undo_instant(store(), as_instant());
  // Another rolled us back, but a file that was finished since then is known to nobody else.
  const std::lock_guard lock(mutex_);
  for (const auto& stat : stats_) WEIR_TRY(store().remove(stat.path));
  return remove_markers(store(), instant_);
}

NativeCommit::~NativeCommit() {
  // As far as possible; the next writer's roll-back does what fails here.
  if (!instant_.empty() && !may_be_visible_) (void)undo();
}

}  // namespace

Result<std::unique_ptr<Commit>> begin_commit(const TableContext& context, CommitLog& log,
                                             const TableProperties& properties,
                                             const BeginOptions& options) {
  const std::string name = property_or(properties, "hoodie.table.name", "");
  auto commit = std::make_unique<NativeCommit>(context, log, name, options);
  WEIR_TRY(while_doing(commit->begin(), fmt::format("beginning a commit to table '{}'", name)));
  return commit;
}

}  // namespace weir::table
