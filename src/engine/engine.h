#pragma once

/// An engine executes operations: one complete hop with one commit. It takes the operation as it
/// stands and gives an outcome; it knows no catalog, no flow and no template.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/resolve_secrets.h"
#include "base/result.h"
#include "model/operation.h"
#include "model/outcome.h"
#include "storage/storage.h"

namespace weir::engine {

/// A parameter that an engine cannot honour, though it executes the kind.
struct Unserved {
  model::OperationKind kind;
  std::string param;
  std::string why;
};

struct Capabilities {
  std::set<model::OperationKind> kinds;
  std::set<std::string> dialects;  ///< Of SQL in `transform`: `duckdb`, `spark`
  std::vector<Unserved> unserved = {};
};

/// How far an operation is; called now and then, from any thread.
struct Progress {
  std::string step;
  int64_t rows = 0;
  int64_t bytes = 0;
};

/// What an execution may use. Outlives the call.
struct Context {
  storage::Stores* stores = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Log* log = nullptr;
  const Cancel* cancel = nullptr;
  std::function<void(const Progress&)> on_progress;  ///< May be empty.
  ResolveSecrets resolve_secrets = {};               ///< Of connections.
};

/// Safe to use from many threads at once.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const std::string& name() const = 0;
  virtual const Capabilities& capabilities() const = 0;
  /// Runs it to its end. A token that is already in the target gives the outcome of then, with
  /// was_already_done. A held operation is an Outcome, not an error.
  virtual Result<model::Outcome> execute(const model::Operation& operation,
                                         const Context& context) = 0;
};

/// kUnsupported, naming engine, kind or parameter and the way out, for what this engine does not
/// execute. Asked when a project is checked, so that nothing has begun by then.
Status check_served(const Engine& engine, model::OperationKind kind, const Json& params);

/// In this process: DuckDB computes, weir commits.
std::unique_ptr<Engine> make_embedded_engine();
/// `weir op run` as a child: operation on standard input, outcome on standard output, the error as
/// JSON on the last line of standard error.
std::unique_ptr<Engine> make_subprocess_engine(std::string program);

/// How weir reaches Spark.
struct SparkOptions {
  std::vector<std::string> submit = {"spark-submit"};  ///< The program and its options.
  std::string scripts;                                 ///< Folder of `<operation>.py`.
};
/// `spark-submit … <operation>.py --operation FILE --outcome FILE`: merge_latest for now. Spark is
/// not started for what is done already, nor for what a reader of the dataset could not read
/// (kUnsupported). kUnavailable where the job gave no outcome.
std::unique_ptr<Engine> make_spark_engine(SparkOptions options);

}  // namespace weir::engine
