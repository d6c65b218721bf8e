#include "orchestrate/attempt.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/instant.h"
#include "base/nearest.h"
#include "base/redact.h"
#include "engine/lock_object.h"
#include "engine/sql_reading.h"
#include "inputs/discover.h"
#include "inputs/locations.h"
#include "orchestrate/resolve.h"
#include "orchestrate/run_values.h"

namespace weir::orchestrate {

Result<const task::Template*> find_template(std::span<const task::Template> templates,
                                            const std::string& name) {
  const auto found = std::ranges::find(templates, name, &task::Template::name);
  if (found != templates.end()) return &*found;
  std::vector<std::string> names;
  for (const auto& each : templates) names.push_back(each.name);
  const std::string guess = did_you_mean(name, names);
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no template '{}'", name),
                        guess.empty() ? "`weir template list` shows them" : guess);
}

namespace {

using catalog::TaskRun;
using catalog::TaskState;
using model::Operation;
using model::Outcome;

/// Whether a connection's options have to be resolved where it is opened.
bool refers_to_secrets(const Json& options) {
  return dump_json(options).find(kSecretScheme) != std::string::npos;
}

/// A lease that is given back when it goes.
class HeldLease {
 public:
  HeldLease(catalog::Catalog& catalog, catalog::Lease lease)
      : catalog_(catalog), lease_(std::move(lease)) {}
  HeldLease(const HeldLease&) = delete;
  HeldLease& operator=(const HeldLease&) = delete;
  ~HeldLease() { static_cast<void>(catalog_.release_lease(lease_)); }
  const catalog::Lease& lease() const { return lease_; }

 private:
  catalog::Catalog& catalog_;
  catalog::Lease lease_;
};

/// Waits for a lease, politely, until the task's time is over.
Result<std::unique_ptr<HeldLease>> wait_for_lease(const Services& services, const std::string& name,
                                                  int64_t least_epoch, const Cancel& cancel) {
  constexpr auto kPoll = std::chrono::milliseconds(100);
  bool has_told = false;
  while (true) {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(auto lease, services.catalog->take_lease(name, services.holder, services.lease_ms,
                                                         least_epoch));
    if (lease) return std::make_unique<HeldLease>(*services.catalog, *std::move(lease));
    if (!has_told) {
      auto holder = services.catalog->lease_holder(name);
      services.log->info("waiting for {}, held by {}", name, holder ? *holder : std::string("?"));
      has_told = true;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

/// Keeps a lease alive while long work goes on; it renews from a thread of its own, because the
/// engine does not come back until the operation has ended.
class LeaseKeeper {
 public:
  LeaseKeeper(const Services& services, const catalog::Lease& lease)
      : thread_([&services, lease](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any wake;
          std::unique_lock lock(mutex);
          const auto period =
              std::chrono::milliseconds(std::max<int64_t>(services.lease_ms / 3, 10));
          while (!stop.stop_requested()) {
            if (wake.wait_for(lock, stop, period, [] { return false; }) || stop.stop_requested())
              return;
            // A lost lease shows at the commit: the guard asks the lock object.
            static_cast<void>(services.catalog->renew_lease(lease, services.lease_ms));
          }
        }) {}

 private:
  std::jthread thread_;
};

class AttemptRun {
 public:
  AttemptRun(const Attempt& attempt, TaskRun& row, const Cancel& cancel)
      : attempt_(attempt),
        services_(*attempt.services),
        values_(*attempt.flow, *attempt.run),
        row_(row),
        cancel_(cancel) {}

  Result<TaskState> go() {
    if (!attempt_.task->refusal.empty())
      return fail_with_hint(ErrorCode::kInvalidConfig, attempt_.task->refusal,
                            "a new run looks again, and so does `weir rerun --look-again`");
    WEIR_ASSIGN(made_, find_template(services_.templates, attempt_.task->template_id));
    WEIR_ASSIGN(const Json given, values_.params_of(*attempt_.task, *made_));
    WEIR_TRY(made_->lint(given));
    params_ = task::with_defaults(made_->params, given);
    if (made_->is_effect()) return run_effect();

    WEIR_ASSIGN(engine_, services_.engine(attempt_.settings.engine));
    if (made_->operation) WEIR_TRY(engine::check_served(*engine_, *made_->operation, params_));
    WEIR_TRY(take_target());
    WEIR_ASSIGN(task::Inputs inputs, pinned_inputs());
    for (auto& [path, text] : inputs.files) {
      WEIR_ASSIGN(text, values_.sql_of(path, text));
    }
    inputs.logical_time_us = attempt_.run->logical_time_us;
    WEIR_ASSIGN(std::vector<Operation> operations, made_->plan(params_, inputs));
    return execute_all(operations);
  }

 private:
  Result<TaskState> run_effect() {
    task::Context context;
    context.engine = engine_context();
    context.configuration = &attempt_.pinned->configuration;
    context.origin = origin();
    context.layer_uri = [this](const std::string& layer) {
      return inputs::layer_uri(attempt_.pinned->configuration, services_.base_folder, layer);
    };
    context.api = [this](const std::string& id) { return api(id); };
    WEIR_TRY(take_turn());
    auto outcome = made_->run(params_, context);
    if (!outcome) return std::unexpected(std::move(outcome).error());
    take_in(*outcome);
    services_.tell({"operation_finished",
                    row_.run_id,
                    row_.task_id,
                    {{"hop", outcome->details.value("hop", made_->name)},
                     {"counts", model::to_json(outcome->counts)},
                     {"done_before", false}}});
    for (const auto& warning : outcome->warnings) WEIR_TRY(warn(warning));
    return TaskState::kSucceeded;
  }

  /// What is fetched through a connection is committed by one run of the task at a time, so that
  /// two see each other's commits and not each other's halves.
  Status take_turn() {
    if (std::ranges::find(made_->params, task::ParamType::kConnection, &task::Param::type) ==
        made_->params.end())
      return {};
    const std::string name = fmt::format("task:{}/{}", attempt_.run->flow_id, row_.task_id);
    WEIR_ASSIGN(lease_, wait_for_lease(services_, name, 0, cancel_));
    keeper_ = std::make_unique<LeaseKeeper>(services_, lease_->lease());
    return {};
  }

  Result<net::Api*> api(const std::string& id) const {
    const model::Connection* connection = attempt_.pinned->configuration.find_connection(id);
    if (connection == nullptr || connection->kind != "http")
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("there is no connection '{}' of kind 'http'", id),
                            "`weir connection list` shows them");
    if (!services_.open_api)
      return fail(ErrorCode::kUnsupported, "connections of kind 'http' are not served here");
    return while_doing(services_.open_api(*connection), fmt::format("opening connection '{}'", id));
  }

  /// The lease of what the task writes, so that two flows on one dataset go one after the other.
  Status take_target() {
    WEIR_ASSIGN(const auto produced, produced_dataset(*made_, params_));
    std::string name;
    if (!produced.empty()) name = "dataset:" + produced.text();
    if (produced.empty() && params_.contains("connection") && params_.at("connection").is_string())
      name = "warehouse:" + params_.at("connection").get<std::string>();
    if (name.empty()) return {};
    WEIR_ASSIGN(lease_, wait_for_lease(services_, name, 0, cancel_));
    keeper_ = std::make_unique<LeaseKeeper>(services_, lease_->lease());
    return {};
  }

  Result<task::Inputs> pinned_inputs() {
    if (row_.pinned.is_object()) {
      WEIR_ASSIGN(task::Inputs known, inputs_from_json(row_.pinned));
      WEIR_TRY(put_in_place(services_, *attempt_.pinned, *attempt_.flow, *made_, params_, cancel_,
                            known));
      return known;
    }
    WEIR_ASSIGN(auto resolution, resolve_inputs(services_, *attempt_.pinned, *attempt_.flow, *made_,
                                                params_, cancel_));
    for (const auto& warning : resolution.warnings) WEIR_TRY(warn(warning));
    task::Inputs inputs = std::move(resolution.inputs);
    row_.pinned = to_json(inputs);
    WEIR_TRY(store());
    return inputs;
  }

  model::Origin origin() const {
    return {attempt_.run->flow_id, row_.task_id, row_.run_id, row_.attempt,
            attempt_.run->logical_time_us};
  }

  engine::Context engine_context() {
    engine::Context context;
    context.stores = services_.stores;
    context.clock = services_.clock;
    context.random = services_.random;
    context.log = services_.log;
    context.cancel = &cancel_;
    context.resolve_secrets = services_.resolve_secrets;
    context.on_progress = [this](const engine::Progress& progress) {
      services_.tell(
          {"progress",
           row_.run_id,
           row_.task_id,
           {{"step", progress.step}, {"rows", progress.rows}, {"bytes", progress.bytes}}});
    };
    return context;
  }

  /// Fills in what the template does not know.
  Status complete(Operation& operation) {
    if (operation.kind == model::OperationKind::kIngestFiles) {
      const auto& object = operation.inputs.at(0).objects.at(0);
      const model::Dataset* dataset =
          attempt_.pinned->configuration.find_dataset(operation.target.dataset);
      operation.params["input_identity"] =
          model::identity_of(dataset != nullptr ? dataset->identity : model::Identity::kContent,
                             object.sha256, object.as_of_us);
      if (operation.target.schema.empty()) operation.target.schema = first_schema_;
    }
    operation.limits = attempt_.settings.limits;
    operation.limits.temp_folder = services_.temp_folder;
    operation.origin = origin();
    operation.buckets = inputs::buckets(attempt_.pinned->configuration, services_.base_folder);
    const bool has_secrets =
        std::ranges::any_of(operation.buckets,
                            [](const auto& bucket) {
                              return !bucket.secret_id.empty() || bucket.kind == "sftp";
                            }) ||
        refers_to_secrets(operation.target.connection_options) ||
        refers_to_secrets(operation.params);
    if (has_secrets) operation.secrets_file = services_.secrets_file;
    operation.token = model::token_of(operation);
    for (const auto& hold : approved_) {
      if (hold.token == operation.token) operation.params["approved"] = true;
    }
    return {};
  }

  /// The outcome of then, where the timeline of a dataset that is replaced already has the token:
  /// nothing is locked, nothing is written. Only its newest commit counts: SQL that was changed and
  /// changed back must replace again, under a token of its own. A commit that was merged is found
  /// by the engine, which also reads out of it what was rejected, and why.
  Result<std::optional<Outcome>> find_done(Operation& operation) {
    const bool is_replaced = operation.target.mode == model::WriteMode::kReplace;
    if (!is_replaced || operation.target.format != "hudi" || operation.target.uri.empty())
      return std::nullopt;
    WEIR_ASSIGN(storage::Storage * store, services_.stores->open(operation.target.uri));
    WEIR_ASSIGN(const auto state, inputs::read_hudi(*store, operation.target.dataset,
                                                    *services_.clock, *services_.random));
    const auto& commits = state.publications;
    auto found = std::ranges::find(commits, operation.token, &model::Publication::token);
    if (found == commits.end()) return std::nullopt;
    if (found + 1 != commits.end()) {
      // It may have been replaced again already, by an attempt that died before it could say so.
      for (const auto& before : {commits[commits.size() - 2], commits.back()}) {
        operation.params["replaces"] = before.instant;
        operation.token = model::token_of(operation);
        if (operation.token == commits.back().token) break;
      }
      if (operation.token != commits.back().token) return std::nullopt;
      found = commits.end() - 1;
    }
    Outcome outcome = model::outcome_of(
        state.commits[static_cast<size_t>(std::distance(commits.begin(), found))]);
    outcome.was_already_done = true;
    return outcome;
  }

  Status lock_target(Operation& operation) {
    if (lease_ == nullptr || operation.target.uri.empty()) return {};
    operation.guard.lock_uri = operation.target.uri;
    operation.guard.lock_name = operation.target.format == "hudi" ? ".hoodie/.locks/weir.json"
                                                                  : std::string(engine::kLockName);
    if (locked_epoch_ == 0) {
      const auto renew = [&] {
        return services_.catalog->renew_lease(lease_->lease(), services_.lease_ms);
      };
      const engine::LockHolder holder{services_.holder, lease_->lease().epoch, services_.random};
      WEIR_ASSIGN(locked_epoch_,
                  engine::take_lock(*services_.stores, operation.guard, holder, renew));
    }
    operation.guard.epoch = locked_epoch_;
    return {};
  }

  Result<TaskState> execute_all(std::vector<Operation>& operations) {
    WEIR_ASSIGN(approved_, services_.catalog->holds("approved"));
    for (auto& operation : operations) {
      WEIR_TRY(cancel_.check());
      WEIR_TRY(complete(operation));
      WEIR_ASSIGN(auto done, find_done(operation));
      if (!done) {
        WEIR_TRY(lock_target(operation));
        auto outcome = engine_->execute(operation, engine_context());
        if (!outcome) return std::unexpected(explain(std::move(outcome).error(), operation));
        done = *std::move(outcome);
      }
      // What `reject` retires is this as-of.
      if (done->held && operation.as_of_us)
        done->held->facts["as_of"] = format_instant(*operation.as_of_us);
      WEIR_TRY(record(operation, *done));
      if (done->held) {
        row_.held_reason = done->held->reason;
        row_.error_text = done->held->message;
        row_.details["held"] = {{"reason", done->held->reason},
                                {"message", done->held->message},
                                {"facts", done->held->facts}};
        return TaskState::kHeld;
      }
    }
    return TaskState::kSucceeded;
  }

  /// The task's SQL file, where its template has one.
  std::string sql_file() const {
    const auto param =
        std::ranges::find(made_->params, task::ParamType::kSqlFile, &task::Param::type);
    if (param == made_->params.end() || !params_.contains(param->name)) return {};
    const Json& path = params_.at(param->name);
    return path.is_string() ? path.get<std::string>() : "";
  }

  /// What failed, with the name of the SQL file that an engine is not told.
  Error explain(Error error, const Operation& operation) const {
    const std::string file = sql_file();
    std::string step = describe(operation);
    if (!file.empty()) step += fmt::format(" with {}", file);
    if (!file.empty() && error.place && error.place->file == engine::kUserSql)
      error.place->file = file;
    return std::move(error).while_doing(std::move(step));
  }

  static std::string describe(const Operation& operation) {
    std::string text = fmt::format("executing {}", to_text(operation.kind));
    if (!operation.inputs.empty() && operation.inputs.front().format == "file")
      text += fmt::format(" of {}", operation.inputs.front().objects.front().name);
    else if (operation.kind == model::OperationKind::kIngestDatabase)
      text += fmt::format(" of {}", source_of(operation));
    else if (operation.kind != model::OperationKind::kReconcile)
      text += fmt::format(" of {}", hop_of(operation));
    if (operation.as_of_us) text += fmt::format(" as of {}", format_instant(*operation.as_of_us));
    return text;
  }

  /// `shop.public.orders`
  static std::string source_of(const Operation& operation) {
    const std::string table = operation.params.value("table", "");
    return fmt::format("{}.{}", operation.target.connection_id, table.empty() ? "query" : table);
  }

  static std::string hop_of(const Operation& operation) {
    if (operation.kind == model::OperationKind::kReconcile) return "the whole chain";
    std::string from;
    if (!operation.inputs.empty() && !operation.inputs.front().dataset.empty())
      from = operation.inputs.front().dataset.text();
    if (!operation.inputs.empty() && operation.inputs.front().format == "file")
      from = operation.inputs.front().objects.front().name;
    if (operation.kind == model::OperationKind::kIngestDatabase) from = source_of(operation);
    std::string to = operation.target.dataset.empty() ? "" : operation.target.dataset.text();
    if (!operation.target.table.empty())
      to = operation.target.connection_id + "." + operation.target.table;
    if (to.empty()) return from;
    return from.empty() ? "→ " + to : fmt::format("{} → {}", from, to);
  }

  Status record(const Operation& operation, const Outcome& outcome) {
    const std::string hop = hop_of(operation);
    if (!outcome.held && !outcome.counts.is_closed())
      return fail(ErrorCode::kCheckFailed, "hop {} does not close: {}", hop,
                  dump_json(model::to_json(outcome.counts)));
    WEIR_TRY(services_.catalog->record_operation(
        {row_.run_id, row_.task_id, row_.attempt, row_.epoch, operation, outcome, hop}));
    if (operation.kind == model::OperationKind::kIngestFiles && first_schema_.empty() &&
        !outcome.publications.empty()) {
      for (const auto& publication : outcome.publications) {
        if (publication.dataset != operation.target.dataset) continue;
        WEIR_ASSIGN(first_schema_, model::schema_from_json(publication.schema));
      }
    }
    take_in(outcome);
    row_.operations.push_back(
        {{"op", to_text(operation.kind)},
         {"token", operation.token},
         {"hop", hop},
         {"as_of", operation.as_of_us ? Json(format_instant(*operation.as_of_us)) : Json()},
         {"done_before", outcome.was_already_done},
         {"sums", outcome.details.value("sums", Json::object())}});
    services_.tell(
        {"operation_finished",
         row_.run_id,
         row_.task_id,
         {{"hop", hop},
          {"counts", model::to_json(outcome.counts)},
          {"sums", outcome.details.value("sums", Json::object())},
          {"as_of", operation.as_of_us ? Json(format_instant(*operation.as_of_us)) : Json()},
          {"done_before", outcome.was_already_done},
          {"held", outcome.held ? Json(outcome.held->reason) : Json()}}});
    for (const auto& warning : outcome.warnings) WEIR_TRY(warn(warning));
    return store();
  }

  /// What a person should know of a task that goes on all the same.
  Status warn(const std::string& message) {
    services_.tell({"warning", row_.run_id, row_.task_id, {{"message", message}}});
    return services_.catalog->add_log(row_.run_id, row_.task_id, row_.attempt, "warning", message);
  }

  /// Adds what an operation did in this run to the task's sums; what was done before counts
  /// nothing.
  void take_in(const Outcome& outcome) {
    // What was computed is told of by who records it, whoever computed it.
    if (const auto from = outcome.details.find("column_lineage"); from != outcome.details.end())
      row_.details["column_lineage"] = *from;
    if (outcome.was_already_done || outcome.held) return;
    auto& sum = row_.counts;
    const auto& counts = outcome.counts;
    sum.in += counts.in;
    sum.inserted += counts.inserted;
    sum.updated_in_place += counts.updated_in_place;
    sum.rejected += counts.rejected;
    sum.deduplicated += counts.deduplicated;
    sum.unchanged += counts.unchanged;
    sum.filtered += counts.filtered;
    sum.closed_by_change += counts.closed_by_change;
    sum.closed_by_absence += counts.closed_by_absence;
    sum.out = counts.out;
    commits_ += static_cast<int64_t>(outcome.publications.size());
    row_.details["commits"] = commits_;
    for (const auto& publication : outcome.publications) bytes_written_ += publication.size_bytes;
    if (!outcome.publications.empty()) row_.details["bytes_written"] = bytes_written_;
    for (const auto& [key, value] : outcome.details.items()) row_.details[key] = value;
  }

  Status store() {
    return services_.catalog->move_task(row_, {TaskState::kRunning, row_.attempt, row_.epoch});
  }

  const Attempt& attempt_;
  const Services& services_;
  const RunValues values_;
  TaskRun& row_;
  const Cancel& cancel_;
  const task::Template* made_ = nullptr;
  engine::Engine* engine_ = nullptr;
  Json params_;
  std::unique_ptr<HeldLease> lease_;
  std::unique_ptr<LeaseKeeper> keeper_;
  int64_t locked_epoch_ = 0;
  int64_t commits_ = 0;
  int64_t bytes_written_ = 0;
  model::Schema first_schema_;
  std::vector<catalog::Hold> approved_;
};

}  // namespace

Result<TaskState> run_attempt(const Attempt& attempt, TaskRun& row, const Cancel& cancel) {
  return AttemptRun(attempt, row, cancel).go();
}

}  // namespace weir::orchestrate
