// The proof that the seam holds: the operation goes out as JSON and comes back as JSON, and nothing
// else passes. The child finds its own token, so a child that died may be started again.

#include <csignal>
#include <cstring>
#include <mutex>

#include "base/process.h"
#include "engine/engine.h"
#include "engine/error_json.h"

namespace weir::engine {
namespace {

class SubprocessEngine final : public Engine {
 public:
  explicit SubprocessEngine(std::string program) : program_(std::move(program)) {
    for (const auto kind : model::all_operation_kinds()) capabilities_.kinds.insert(kind);
    capabilities_.dialects = {"duckdb"};
  }

  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }

  Result<model::Outcome> execute(const model::Operation& operation,
                                 const Context& context) override {
    std::string last_line;
    Command command;
    command.argv = {program_, "op", "run"};
    command.standard_input = dump_json(model::to_json(operation)) + "\n";
    command.on_error_line = [&](std::string_view line) {
      if (is_progress(line, context)) return;
      if (!last_line.empty()) pass_on(last_line, context);
      last_line = line;
    };
    WEIR_ASSIGN(const Finished finished, while_doing(run_process(command, *context.cancel),
                                                     fmt::format("running '{} op run'", program_)));
    if (finished.signal != 0) return killed(finished);
    if (finished.exit_status != 0) return failed(finished, last_line);
    if (!last_line.empty()) pass_on(last_line, context);
    return read_outcome(finished.standard_output);
  }

 private:
  static bool is_progress(std::string_view line, const Context& context) {
    if (!line.starts_with('{')) return false;
    const auto json = parse_json(line);
    if (!json || !json->is_object() || !json->contains("progress")) return false;
    const Json& body = json->at("progress");
    const auto step = json_field_or<std::string>(body, "step", "");
    const auto rows = json_field_or<int64_t>(body, "rows", 0);
    const auto bytes = json_field_or<int64_t>(body, "bytes", 0);
    if (step && rows && bytes && context.on_progress)
      context.on_progress({.step = *step, .rows = *rows, .bytes = *bytes});
    return true;
  }

  static void pass_on(const std::string& line, const Context& context) {
    if (context.log != nullptr) context.log->write(LogLevel::kInfo, line);
  }

  std::unexpected<Error> killed(const Finished& finished) const {
    const char* name = ::sigabbrev_np(finished.signal);
    return fail_with_hint(
        ErrorCode::kUnavailable,
        fmt::format("'{} op run' was ended by signal {} (SIG{})", program_, finished.signal,
                    name == nullptr ? "?" : name),
        finished.signal == SIGKILL
            ? "a killed process was often out of memory: lower `resources.memory_limit` or give "
              "the machine more"
            : "run it again; what it had not committed is not there");
  }

  std::unexpected<Error> failed(const Finished& finished, const std::string& last_line) const {
    if (auto error = error_from_line(last_line))
      return std::unexpected(std::move(*error).while_doing("running the operation in a child"));
    return fail(ErrorCode::kInternal, "'{} op run' ended with status {} and no error line: {}",
                program_, finished.exit_status, last_line);
  }

  Result<model::Outcome> read_outcome(const std::string& text) const {
    auto json = parse_json(text);
    if (!json)
      return fail(ErrorCode::kInternal, "'{} op run' gave no outcome: {}", program_,
                  json.error().message);
    return while_doing(model::outcome_from_json(*json),
                       fmt::format("reading the outcome of '{} op run'", program_));
  }

  std::string name_ = "subprocess";
  std::string program_;
  Capabilities capabilities_;
};

}  // namespace

std::unique_ptr<Engine> make_subprocess_engine(std::string program) {
  return std::make_unique<SubprocessEngine>(std::move(program));
}

}  // namespace weir::engine
