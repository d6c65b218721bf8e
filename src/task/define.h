#pragma once

/// Declares a template over a struct of parameters: each parameter is said once, with its meaning;
/// type and default come from the member, binding and checks from the same line.
///
///   return task::Define<Params>("merge_history", "Keeps the history of …")
///       .consumes("from", &Params::from, "Dataset of snapshots.")
///       .optional("mode", &Params::mode, "…", task::choice({"snapshot", "event"}))
///       .plan(plan);

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "task/template.h"

namespace weir::task {

/// What narrows a parameter beyond its member's type.
struct Narrow {
  std::vector<std::string> choices;
  std::optional<double> least;
  std::optional<double> greatest;
  std::optional<ParamType> type;
  Use use = Use::kPlain;
};
inline Narrow choice(std::vector<std::string> words) {
  return {std::move(words), {}, {}, ParamType::kChoice};
}
/// A connection of one of these kinds.
inline Narrow connection(std::vector<std::string> kinds) {
  return {std::move(kinds), {}, {}, ParamType::kConnection};
}
inline Narrow in_range(double least, double greatest) { return {{}, least, greatest, {}}; }
inline Narrow typed(ParamType type) { return {{}, {}, {}, type}; }
/// Where an effect reads or writes files.
inline Narrow moves(Use use) { return {{}, {}, {}, {}, use}; }

/// Durations bind to a member of this type.
struct Duration {
  int64_t ms = 0;
};

namespace internal {

inline ParamType type_of(const std::string*) { return ParamType::kText; }
inline ParamType type_of(const bool*) { return ParamType::kBoolean; }
inline ParamType type_of(const int64_t*) { return ParamType::kInteger; }
inline ParamType type_of(const double*) { return ParamType::kNumber; }
inline ParamType type_of(const std::optional<double>*) { return ParamType::kNumber; }
inline ParamType type_of(const std::optional<int64_t>*) { return ParamType::kInteger; }
inline ParamType type_of(const Duration*) { return ParamType::kDuration; }
inline ParamType type_of(const model::DatasetName*) { return ParamType::kDataset; }
inline ParamType type_of(const std::vector<std::string>*) { return ParamType::kNames; }
inline ParamType type_of(const Json*) { return ParamType::kJson; }

Status bind(const Json& value, std::string& member);
Status bind(const Json& value, bool& member);
Status bind(const Json& value, int64_t& member);
Status bind(const Json& value, double& member);
Status bind(const Json& value, std::optional<double>& member);
Status bind(const Json& value, std::optional<int64_t>& member);
Status bind(const Json& value, Duration& member);
Status bind(const Json& value, model::DatasetName& member);
Status bind(const Json& value, std::vector<std::string>& member);
Status bind(const Json& value, Json& member);

Json default_of(const std::string& member);
Json default_of(bool member);
Json default_of(int64_t member);
Json default_of(double member);
Json default_of(const std::optional<double>& member);
Json default_of(const std::optional<int64_t>& member);
Json default_of(const Duration& member);
Json default_of(const model::DatasetName& member);
Json default_of(const std::vector<std::string>& member);
Json default_of(const Json& member);

}  // namespace internal

template <typename Params>
class Define {
 public:
  Define(std::string name, std::string summary) {
    made_.name = std::move(name);
    made_.summary = std::move(summary);
  }

  template <typename T>
  Define& required(std::string name, T Params::* member, std::string doc, Narrow narrow = {}) {
    const Use use = narrow.use;
    return add(std::move(name), member, std::move(doc), std::move(narrow), use, true);
  }
  template <typename T>
  Define& optional(std::string name, T Params::* member, std::string doc, Narrow narrow = {}) {
    const Use use = narrow.use;
    return add(std::move(name), member, std::move(doc), std::move(narrow), use, false);
  }
  /// A dataset that this template reads.
  Define& consumes(std::string name, model::DatasetName Params::* member, std::string doc) {
    return add(std::move(name), member, std::move(doc), {}, Use::kConsumes, true);
  }
  /// Landing files that this template reads: `layer/glob`.
  Define& consumes_files(std::string name, std::string Params::* member, std::string doc) {
    return add(std::move(name), member, std::move(doc), typed(ParamType::kGlob),
               Use::kConsumesFiles, true);
  }
  /// The dataset that this template writes.
  Define& produces(std::string name, model::DatasetName Params::* member, std::string doc) {
    return add(std::move(name), member, std::move(doc), {}, Use::kProduces, true);
  }
  /// The datasets and warehouse tables (`connection.table`) that this template looks at; without
  /// any, all that its flow writes.
  Define& reconciles(std::string name, std::vector<std::string> Params::* member, std::string doc) {
    return add(std::move(name), member, std::move(doc), {}, Use::kReconciles, false);
  }
  Define& example(std::string title, Json params) {
    Example& made = made_.examples.emplace_back();
    made.title = std::move(title);
    made.params = std::move(params);
    return *this;
  }
  /// A rule across parameters, after each by itself is good.
  Define& check(Status (*rule)(const Params&)) {
    rule_ = rule;
    return *this;
  }

  Template plan(model::OperationKind kind, Batching batching,
                Result<std::vector<model::Operation>> (*function)(const Params&, const Inputs&)) {
    made_.operation = kind;
    made_.batching = batching;
    made_.plan = [binders = binders_, function](
                     const Json& values,
                     const Inputs& inputs) -> Result<std::vector<model::Operation>> {
      WEIR_ASSIGN(const Params params, bound(binders, values));
      return function(params, inputs);
    };
    return finish();
  }
  Template run(Result<model::Outcome> (*function)(const Params&, const Context&)) {
    made_.run = [binders = binders_, function](const Json& values,
                                               const Context& context) -> Result<model::Outcome> {
      WEIR_ASSIGN(const Params params, bound(binders, values));
      return function(params, context);
    };
    return finish();
  }

 private:
  struct Binder {
    std::string name;
    std::function<Status(const Json&, Params&)> bind;
  };

  template <typename T>
  Define& add(std::string name, T Params::* member, std::string doc, Narrow narrow, Use use,
              bool is_required) {
    Param param;
    param.name = name;
    param.type = narrow.type.value_or(internal::type_of(static_cast<const T*>(nullptr)));
    param.use = use;
    param.is_required = is_required;
    if (!is_required) param.otherwise = internal::default_of(Params{}.*member);
    param.doc = std::move(doc);
    param.choices = std::move(narrow.choices);
    param.least = narrow.least;
    param.greatest = narrow.greatest;
    made_.params.push_back(std::move(param));
    binders_.push_back({std::move(name), [member](const Json& value, Params& params) {
                          return internal::bind(value, params.*member);
                        }});
    return *this;
  }

  static Result<Params> bound(const std::vector<Binder>& binders, const Json& values) {
    Params params;
    for (const auto& binder : binders) {
      const auto found = values.find(binder.name);
      if (found == values.end() || found->is_null()) continue;
      auto status = binder.bind(*found, params);
      if (!status)
        return std::unexpected(std::move(status).error().while_doing(
            fmt::format("reading parameter '{}'", binder.name)));
    }
    return params;
  }

  Template finish() {
    made_.lint = [name = made_.name, params = made_.params, binders = binders_,
                  rule = rule_](const Json& values) -> Status {
      WEIR_TRY(lint_params(name, params, values));
      if (rule == nullptr) return {};
      const std::string text = dump_json(values);
      if (text.find("{{") != std::string::npos || text.find("${") != std::string::npos) return {};
      WEIR_ASSIGN(const Params bound_params, bound(binders, values));
      return rule(bound_params);
    };
    return std::move(made_);
  }

  Template made_;
  std::vector<Binder> binders_;
  Status (*rule_)(const Params&) = nullptr;
};

}  // namespace weir::task
