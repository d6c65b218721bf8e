#include "task/define.h"

namespace weir::templates {
namespace {

struct Params {
  std::string note;
};

Result<model::Outcome> run(const Params& /*params*/, const task::Context& /*context*/) {
  return model::Outcome();
}

}  // namespace

task::Template noop() {
  const Json parameters = {{"note", "all regions are loaded"}};
  return task::Define<Params>("noop", "Does nothing: a place where tasks of a flow meet.")
      .optional("note", &Params::note, "For who reads the flow.")
      .example("What comes after waits for one task instead of many.", parameters)
      .run(run);
}

}  // namespace weir::templates
