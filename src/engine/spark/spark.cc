// An operation goes to spark-submit as the JSON that every engine takes, in a file of a private
// folder; the outcome, or the error, comes back in another. Spark's own output is its log. The
// script finds its own token in the table, so a job that died may be started again.

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/process.h"
#include "engine/engine.h"
#include "engine/error_json.h"

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

class SparkEngine final : public Engine {
 public:
  explicit SparkEngine(SparkOptions options) : options_(std::move(options)) {
    capabilities_.kinds = {model::OperationKind::kMergeLatest};
  }

  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }

  Result<model::Outcome> execute(const model::Operation& operation,
                                 const Context& context) override {
    if (!capabilities_.kinds.contains(operation.kind))
      return fail_with_hint(
          ErrorCode::kUnsupported,
          fmt::format("engine spark does not execute {}", model::to_text(operation.kind)),
          "give the task `engine: embedded`");
    const std::string script =
        fmt::format("{}/{}.py", options_.scripts, model::to_text(operation.kind));
    if (!std::filesystem::exists(script))
      return fail_with_hint(ErrorCode::kNotFound, fmt::format("there is no '{}'", script),
                            "WEIR_SPARK_SCRIPTS names the folder of weir's Spark scripts");
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

 private:
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
