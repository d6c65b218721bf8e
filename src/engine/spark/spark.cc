// An operation goes to spark-submit as the JSON that every engine takes, in a file of a private
// folder; the outcome, or the error, comes back in another. Spark's own output is its log. The
// script finds its own token in the table, so a job that died may be started again; what is known
// to be done or refused does not start one.

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/process.h"
#include "engine/engine.h"
#include "engine/error_json.h"
#include "engine/raw_columns.h"
#include "model/published.h"
#include "model/readers.h"
#include "table/hudi.h"

namespace weir::engine {
namespace {

/// A folder of this execution alone; it goes with this.
class ExchangeFolder {
 public:
  static Result<ExchangeFolder> make(const std::string& parent) {
    std::string pattern =
        (parent.empty() ? std::filesystem::temp_directory_path().string() : parent) +
        "/weir-spark-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr)
      return fail(ErrorCode::kResourceExhausted, "no folder for the operation below '{}'",
                  std::filesystem::path(pattern).parent_path().string());
    return ExchangeFolder(std::move(pattern));
  }
  ExchangeFolder(ExchangeFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ExchangeFolder& operator=(ExchangeFolder&&) = delete;
  ~ExchangeFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  explicit ExchangeFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// The outcome of then, where the table has a commit with this token.
Result<std::optional<model::Outcome>> find_done(const model::Operation& operation,
                                                const Context& context) {
  WEIR_ASSIGN(storage::Storage* const store, context.stores->open(operation.target.uri));
  const auto table = table::open_table(
      {.store = store, .clock = context.clock, .random = context.random, .guard = nullptr});
  if (!table && table.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!table) return std::unexpected(table.error());
  WEIR_ASSIGN(const auto commit, (*table)->find_token(operation.token));
  if (!commit) return std::nullopt;
  WEIR_ASSIGN(const auto published, model::published_commit(operation.target.dataset, commit->time,
                                                            commit->bytes_written, commit->extra));
  model::Outcome outcome = model::outcome_of(published);
  outcome.was_already_done = true;
  return outcome;
}

/// That everyone who is to read the dataset can: weir's own writer asks it, Spark's does not.
Status check_readers(const model::Operation& operation, const Context& context) {
  WEIR_ASSIGN(const auto readers, model::readers_of(operation.target.options));
  if (readers.empty() || operation.inputs.empty()) return {};
  model::Schema columns;
  for (const model::PinnedObject& object : operation.inputs[0].objects) {
    WEIR_ASSIGN(storage::Storage* const store, context.stores->open(object.uri));
    WEIR_ASSIGN(const auto info, parquet::read_info(*store, object.name));
    WEIR_ASSIGN(const auto found, raw_columns(info));
    WEIR_TRY(add_raw_columns(columns, found, operation.inputs[0].schema));
  }
  return model::check_readable_by(readers, columns);
}

class SparkEngine final : public Engine {
 public:
  explicit SparkEngine(SparkOptions options) : options_(std::move(options)) {
    using enum model::OperationKind;
    capabilities_.kinds = {kMergeLatest};
    capabilities_.unserved = {
        {kMergeLatest, "delete_column", "Hudi would store the column that marks deletes"}};
  }

  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }

  Result<model::Outcome> execute(const model::Operation& operation,
                                 const Context& context) override {
    WEIR_TRY(check_served(*this, operation.kind, operation.params));
    WEIR_ASSIGN(auto done, find_done(operation, context));
    if (done) return *std::move(done);
    WEIR_TRY(while_doing(check_readers(operation, context),
                         fmt::format("merging into '{}'", operation.target.dataset.text())));
    const std::string script =
        fmt::format("{}/{}.py", options_.scripts, model::to_text(operation.kind));
    if (!std::filesystem::exists(script))
      return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no '{}'", script),
                            "WEIR_SPARK_SCRIPTS names the folder of weir's Spark scripts");
    return submit(operation, context, script);
  }

 private:
  Result<model::Outcome> submit(const model::Operation& operation, const Context& context,
                                const std::string& script) const {
    WEIR_ASSIGN(const auto folder, ExchangeFolder::make(operation.limits.temp_folder));
    WEIR_TRY(write(folder.file("operation.json"), dump_json(model::to_json(operation))));
    Command command;
    command.argv = options_.submit;
    command.argv.insert(command.argv.end(), {script, "--operation", folder.file("operation.json"),
                                             "--outcome", folder.file("outcome.json")});
    command.on_error_line = [&](std::string_view line) {
      if (context.log != nullptr) context.log->write(LogLevel::kDebug, line);
    };
    auto finished = run_process(command, *context.cancel);
    if (!finished) return std::unexpected(not_started(std::move(finished).error()));
    return read_outcome(folder.file("outcome.json"), *finished);
  }

  Error not_started(Error error) const {
    if (error.code == ErrorCode::kNotFound)
      error.hint = "WEIR_SPARK_SUBMIT names spark-submit and its options";
    return std::move(error).while_doing(fmt::format("running '{}'", options_.submit.front()));
  }

  static Status write(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    file.close();
    if (file) return {};
    return fail(ErrorCode::kResourceExhausted, "'{}' cannot be written", path);
  }

  Result<model::Outcome> read_outcome(const std::string& path, const Finished& finished) const {
    std::ifstream file(path, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    const auto json = parse_json(text);
    if (!json) return no_outcome(finished);
    if (json->is_object() && json->contains("error")) {
      WEIR_ASSIGN(Error error, error_from_json(json->at("error")));
      return std::unexpected(std::move(error).while_doing("running the operation in Spark"));
    }
    return while_doing(model::outcome_from_json(*json), "reading the outcome of Spark");
  }

  std::unexpected<Error> no_outcome(const Finished& finished) const {
    const std::string& tail = finished.standard_error_tail;
    const size_t end = tail.find_last_not_of('\n');
    const size_t begin = end == std::string::npos ? 0 : tail.rfind('\n', end) + 1;
    return fail_with_hint(
        ErrorCode::kUnavailable,
        finished.signal != 0
            ? fmt::format("'{}' was ended by signal {}", options_.submit.front(), finished.signal)
            : fmt::format("'{}' ended with status {} and without an outcome: {}",
                          options_.submit.front(), finished.exit_status, tail.substr(begin, 500)),
        "run the task again: what was not committed is not there");
  }

  std::string name_ = "spark";
  SparkOptions options_;
  Capabilities capabilities_;
};

}  // namespace

std::unique_ptr<Engine> make_spark_engine(SparkOptions options) {
  return std::make_unique<SparkEngine>(std::move(options));
}

}  // namespace weir::engine
