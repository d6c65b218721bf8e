#include "table/hudi/commit.h"

#include <algorithm>
#include <mutex>

#include "base/json.h"
#include "table/hudi/avro_schema.h"
#include "table/hudi/decision.h"
#include "table/hudi/group_writer.h"
#include "table/hudi/key_layout.h"
#include "table/hudi/recovery.h"
#include "table/hudi/timeline.h"

// The order of one commit, T being its instant:
//   1. T = max(now, last + 1 ms); `T.<action>.requested` is created exclusively; the guard is asked
//   2. leftovers that are older than T are ended (recovery.cc). Who takes over has a later T, so
//      that a writer who sleeps and wakes undoes nothing of its successor's
//   3. `T.inflight` with weir's token and a mark of this very attempt
//   4. a marker before each data file, then the file; its name carries the write token
//   5. asked again: the guard, the inflight file (nobody has rolled us back), and that each group
//      touched still is as it was read
//   6. the decision (decision.h): who would roll us back from here on completes the commit instead
//   7. `T.<action>` by put-if-absent. Its appearance is the commit. Where the answer is lost, the
//      file is read back and compared
//   8. markers and decision go
// A writer that dies before 6 left nothing visible, and recovery.cc undoes it; one that dies
// between 6 and 7 is completed by it.

namespace weir::table {
namespace {

constexpr int kInstantTries = 100;
constexpr int kPutTries = 3;

class NativeCommit final : public Commit {
 public:
  NativeCommit(const TableContext& context, CommitLog& log, std::string table_name,
               std::vector<std::string> key, BeginOptions options, std::string instant)
      : context_(context),
        log_(log),
        name_(std::move(table_name)),
        key_(std::move(key)),
        options_(std::move(options)),
        instant_(std::move(instant)) {}
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

  Status put_inflight();
  Result<bool> is_inflight_ours() const;
  Status put_partition_metadata(const std::string& partition);
  Result<std::unique_ptr<GroupWriter>> open_group(GroupPlan plan);
  std::unexpected<Error> overtaken(std::string_view why) const;
  Status check_comes_after(const FileSlice& slice) const;
  Status check_not_overtaken();
  CommitMetadata metadata_for(const std::map<std::string, std::string>& extra) const;
  Status decide_completed(const std::string& text);
  Status publish(const std::string& text);
  Status settle_by_reading(const Error& doubt);
  bool is_ours(std::string_view text) const;
  Status undo();

  TableContext context_;
  CommitLog& log_;
  std::string name_;
  std::vector<std::string> key_;  ///< Columns.
  BeginOptions options_;
  std::string instant_;
  std::string attempt_;  ///< Made up anew for each attempt: tells our files from a twin's.
  std::string avro_;
  std::string avro_with_meta_;
  std::shared_ptr<arrow::Schema> file_schema_;
  bool may_be_decided_ = false;  ///< Our decision was put, whatever came of it.
  bool may_be_visible_ = false;  ///< From the decision on: never undone by us.

  std::mutex mutex_;  // groups may be written from several threads
  int64_t opened_ WEIR_GUARDED_BY(mutex_) = 0;
  std::vector<WriteStat> stats_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, Role> roles_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, std::string> hashes_ WEIR_GUARDED_BY(mutex_);
  std::map<std::string, std::vector<KeyRange>> key_ranges_ WEIR_GUARDED_BY(mutex_);
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
  return put_inflight();
}

Status NativeCommit::put_inflight() {
  CommitMetadata metadata;
  metadata.operation_type = options_.operation_type;
  metadata.extra = {{kTokenKey, options_.token}, {kAttemptKey, attempt_}};
  const auto put = storage::put(store(), file_in(Instant::State::kInflight),
                                to_text(metadata, options_.action), storage::Put::kIfAbsent);
  if (put) return {};
  if (put.error().code == ErrorCode::kAlreadyExists) return overtaken("another has its instant");
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
  return is_ours(*text);
}

bool NativeCommit::is_ours(std::string_view text) const {
  const auto metadata = parse_commit_metadata(text, instant_);
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
  WEIR_TRY(check_comes_after(previous));
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
  plan.key = key_;
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
                             key_ranges_[slice.file_group_id] = slice.key_ranges;
                           });
}

void NativeCommit::replace(const FileSlice& slice) {
  const std::lock_guard lock(mutex_);
  replaced_.push_back(slice);
}

std::unexpected<Error> NativeCommit::overtaken(std::string_view why) const {
  return fail_with_hint(
      ErrorCode::kConflict,
      fmt::format("commit {} of table '{}' was overtaken: {}", instant_, name_, why),
      "nothing of it is visible; run the task again");
}

/// Another engine's commit between prepare() and the snapshot is newer than ours would be: readers
/// would go on to see its files.
Status NativeCommit::check_comes_after(const FileSlice& slice) const {
  if (slice.instant < instant_) return {};
  return overtaken(fmt::format("{} was written after it had begun", slice.name));
}

Status NativeCommit::check_not_overtaken() {
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
      WEIR_TRY(check_comes_after(slice));
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
  Json ranges = Json::object();
  for (const auto& [group, each] : key_ranges_) {
    if (!each.empty()) ranges[group] = to_json(each);
  }
  metadata.extra[kKeyRangesKey] = dump_json(ranges);
  for (const auto& slice : replaced_)
    metadata.replaced[slice.partition].push_back(slice.file_group_id);
  return metadata;
}

Result<CommitInfo> NativeCommit::complete(const std::map<std::string, std::string>& extra) {
  if (may_be_visible_)
    return fail(ErrorCode::kInternal, "commit {} was completed before", instant_);
  WEIR_TRY(check_not_overtaken());
  const CommitMetadata metadata = metadata_for(extra);
  const std::string text = to_text(metadata, options_.action);
  WEIR_TRY(decide_completed(text));
  WEIR_TRY(publish(text));
  // The commit stands. What stays is removed by the next roll-back, so no failure here.
  if (remove_markers(store(), instant_)) (void)remove_decision(store(), instant_);
  return info_of(as_instant(), metadata);
}

Status NativeCommit::decide_completed(const std::string& text) {
  may_be_decided_ = true;
  may_be_visible_ = true;
  const auto decision = decide(store(), instant_, text);
  if (decision && *decision && is_ours(**decision)) return {};
  // Where nobody answers, the next writer goes by what stands, and so does undo().
  may_be_visible_ = false;
  if (!decision) return std::unexpected(decision.error());
  return overtaken("another writer has rolled it back");
}

Status NativeCommit::publish(const std::string& text) {
  for (int tries = 1;; ++tries) {
    const auto put =
        storage::put(store(), file_in(Instant::State::kCompleted), text, storage::Put::kIfAbsent);
    if (put) return {};
    const Status settled = settle_by_reading(put.error());
    // Not there, though it may have been on its way: putting it again is the same put.
    if (settled || settled.error().code != ErrorCode::kNotFound) return settled;
    if (tries < kPutTries) continue;
    Error unknown = put.error();
    unknown.code = ErrorCode::kOutcomeUnknown;
    unknown.hint = "its data is complete: the next writer of the table publishes it; run it again";
    return std::unexpected(
        std::move(unknown).while_doing(fmt::format("publishing commit {}", instant_)));
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
  if (is_ours(*text)) return {};
  may_be_visible_ = false;  // it is another's file: ours never appeared
  return fail(ErrorCode::kConflict, "{} was put by another writer", file);
}

Status NativeCommit::undo() {
  const auto completed = store().stat(file_in(Instant::State::kCompleted));
  if (completed || completed.error().code != ErrorCode::kNotFound) return {};
  // Nobody but us decides that our commit is completed.
  if (may_be_decided_) {
    WEIR_ASSIGN(const Decision decision, decide(store(), instant_, std::nullopt));
    if (decision) return {};  // by an answer that was lost: the next writer completes it
  }
  WEIR_ASSIGN(const bool is_ours, is_inflight_ours());
  if (is_ours) return undo_attempt(store(), as_instant(), options_.write_token);
  // Another rolled us back, but a file that was finished since then is known to nobody else. The
  // markers may be another's by now.
  const std::lock_guard lock(mutex_);
  for (const auto& stat : stats_) WEIR_TRY(store().remove(stat.path));
  const auto inflight = store().stat(file_in(Instant::State::kInflight));
  if (inflight || inflight.error().code != ErrorCode::kNotFound) return {};
  return give_instant_back(store(), instant_, options_.action);  // it did not get further
}

NativeCommit::~NativeCommit() {
  // As far as possible; the next writer's roll-back does what fails here.
  if (!instant_.empty() && !may_be_visible_) (void)undo();
}

}  // namespace

namespace {

Status claim(const TableContext& context, const std::string& instant, bool is_own_table) {
  if (!is_own_table)
    WEIR_TRY(storage::put(*context.store, claim_file(instant), "", storage::Put::kReplace));
  return context.guard != nullptr ? context.guard->still_mine() : Status{};
}

}  // namespace

Result<std::string> take_instant(const TableContext& context, Action action, bool is_own_table) {
  storage::Storage& store = *context.store;
  std::string last;
  WEIR_ASSIGN(const auto decided, decided_instants(store));
  for (const auto& time : decided) last = std::max(last, time);
  for (int tries = 0; tries < kInstantTries; ++tries) {
    WEIR_ASSIGN(const Timeline timeline, Timeline::load(store));
    last = std::max(last, timeline.last_time());
    WEIR_ASSIGN(std::string time, next_instant_time(*context.clock, last));
    const std::string file = instant_file(time, action_name(action), Instant::State::kRequested);
    const auto put = storage::put(store, file, "", storage::Put::kIfAbsent);
    if (put) {
      const Status is_mine = claim(context, time, is_own_table);
      if (is_mine) return time;
      (void)give_instant_back(store, time, action);
      return std::unexpected(is_mine.error());
    }
    // An empty file does not tell whose it is, so one that may be ours is left to the roll-back.
    const ErrorCode code = put.error().code;
    if (code != ErrorCode::kAlreadyExists && code != ErrorCode::kOutcomeUnknown)
      return std::unexpected(put.error());
    last = time;
  }
  return fail(ErrorCode::kConflict, "{} instants in a row were taken by others", kInstantTries);
}

Status give_instant_back(storage::Storage& store, std::string_view instant, Action action) {
  WEIR_TRY(store.remove(claim_file(instant)));
  return store.remove(instant_file(instant, action_name(action), Instant::State::kRequested));
}

Result<std::unique_ptr<Commit>> begin_commit(const TableContext& context, CommitLog& log,
                                             const TableProperties& properties,
                                             const BeginOptions& options, std::string instant) {
  const std::string name = property_or(properties, "hoodie.table.name", "");
  // Tables with keys that weir cannot make are not written by them: their files are just not ruled
  // out.
  const auto layout = key_layout_of(properties);
  auto commit = std::make_unique<NativeCommit>(context, log, name,
                                               layout ? layout->key : std::vector<std::string>{},
                                               options, std::move(instant));
  WEIR_TRY(while_doing(commit->begin(), fmt::format("beginning a commit to table '{}'", name)));
  return commit;
}

}  // namespace weir::table
