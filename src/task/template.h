#pragma once

/// The contract of a template: what it is called, which parameters it takes, what it reads and
/// writes, and either a pure plan or an effect. Everything that a person sees of a template (list,
/// lint, reference page, JSON Schema) is derived from this one value.
///
/// Templates never see the catalog: they get resolved, pinned inputs and plan operations.

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "model/configuration.h"
#include "model/operation.h"
#include "net/api.h"

namespace weir::task {

enum class ParamType {
  kText,
  kInteger,
  kNumber,
  kBoolean,
  kDuration,    ///< `10s`
  kDataset,     ///< `layer.name`
  kGlob,        ///< `layer/glob` over landing files
  kPattern,     ///< regular expression with named groups
  kSqlFile,     ///< path of a SQL file relative to the project
  kConnection,  ///< `connection_id`
  kNames,       ///< list of column names
  kChoice,      ///< one of `choices`
  kDate,        ///< `2026-01-31`
  kTimestamp,   ///< RFC 3339
  kJson,        ///< an object or a list, checked by the template
};
std::string_view to_text(ParamType type);

/// What a parameter means for the data: how input resolution finds datasets.
enum class Use {
  kPlain,
  kConsumesFiles,
  kConsumes,
  kProduces,
  kReconciles,  ///< a list of datasets and warehouse tables
  // What an effect moves, for lineage; nothing is resolved for it.
  kReadsPlace,   ///< a folder that is no layer of ours: a path or URI
  kFillsPlace,   ///< the same, written
  kReadsFolder,  ///< `layer/folder`, or `layer.name` for the files of a dataset
  kFillsFolder,  ///< `layer/folder`
};

struct Param {
  std::string name;
  ParamType type = ParamType::kText;
  Use use = Use::kPlain;
  bool is_required = false;
  Json otherwise;   ///< Default; null where there is none.
  std::string doc;  ///< One sentence.
  std::vector<std::string>
      choices;  ///< kChoice; of kConnection the kinds that will do, any if none is named
  std::optional<double> least;  ///< kInteger, kNumber
  std::optional<double> greatest;
};

struct Example {
  std::string title;
  Json params;
};

/// How many hops the new inputs make.
enum class Batching {
  kNone,      ///< No inputs are awaited: the operation runs over what is there.
  kEachFile,  ///< One operation per new landing file, by as-of, then name.
  kEachAsOf,  ///< One operation per new as-of of the consumed dataset, oldest first.
  kNewRows,   ///< The same, over the objects alone that no commit of the target has taken in.
  kLatest,    ///< One operation over the newest version of each consumed dataset.
  kChain,     ///< One operation over what is recorded of a chain of datasets.
  kSource,    ///< One operation over what a system outside has now, beyond the watermark.
};

/// The inputs of a task, resolved and pinned before it is planned.
struct Inputs {
  /// One entry per hop, in the order in which they must be done; each a set of pinned inputs.
  struct Hop {
    std::vector<model::PinnedInput> inputs;
    std::optional<int64_t> as_of_us;
  };
  std::vector<Hop> hops;
  model::Target target;
  std::map<std::string, std::string> files;  ///< Contents of files named by parameters (SQL).
  int64_t logical_time_us = 0;
  Json chain = Json();  ///< kChain: the chain and what is recorded of it (custody/chain.h).
  /// kSource: `key` names what is read; `from`, the watermark of the target's newest read of it, or
  /// null; `after`, the as-of of its newest snapshot, or null.
  Json source = Json();
};

/// The API behind a connection of kind `http`; it outlives the task.
using OpenApi = std::function<Result<net::Api*>(const model::Connection& connection)>;

/// What an effect (`run`) may touch; everything else is out of bounds.
struct Context {
  engine::Context engine;
  const model::Configuration* configuration = nullptr;
  model::Origin origin;
  /// The root of a layer; kInvalidConfig where there is none of that name.
  std::function<Result<std::string>(const std::string& layer)> layer_uri;
  /// By `connection_id`; kInvalidConfig where there is none, or it is of another kind.
  std::function<Result<net::Api*>(const std::string& connection_id)> api;
};

struct Template {
  std::string name;
  std::string summary;  ///< One sentence.
  std::vector<Param> params;
  std::vector<Example> examples;
  Batching batching = Batching::kNone;
  std::optional<model::OperationKind> operation;  ///< What it plans; nothing for an effect.

  /// Errors name the parameter; unknown ones with did-you-mean. Values that hold `{{ }}` or `${ }`
  /// pass: they are checked once they are known.
  std::function<Status(const Json& params)> lint;
  /// Pure: the same inputs give the same operations (tokens are set by the caller).
  std::function<Result<std::vector<model::Operation>>(const Json& params, const Inputs& inputs)>
      plan;
  /// An effect that moves bytes or calls services; a second run leaves the same state.
  std::function<Result<model::Outcome>(const Json& params, const Context& context)> run;

  bool is_effect() const { return run != nullptr; }
  const Param* find_param(std::string_view param) const;
};

/// Checks params against the declarations (types, ranges, choices, required, unknown names).
Status lint_params(const std::string& template_name, const std::vector<Param>& params,
                   const Json& values);
/// Values with the defaults filled in. Call it after lint.
Json with_defaults(const std::vector<Param>& params, const Json& values);

}  // namespace weir::task
