// A chain of datasets and warehouse tables against what is known of it: `{"chain": …, "severity":
// "fail" | "warn"}`. Nothing is written, and no input is pinned: an object that is broken is what
// this looks for, not an error of reading. What was recorded came with the operation, so no catalog
// is asked.

#include "reconcile/reconcile.h"

#include "custody/chain.h"
#include "engine/embedded/executors.h"
#include "engine/embedded/pinned.h"

namespace weir::engine::embedded {
namespace {

int64_t rows_of(const reconcile::Hop& hop) {
  int64_t rows = 0;
  for (const auto& object : hop.objects) rows += std::max<int64_t>(object.found.rows, 0);
  return rows;
}

}  // namespace

Result<Outcome> reconcile(const Operation& operation, const Context& context) {
  WEIR_ASSIGN(const Json said, json_field<Json>(operation.params, "chain"));
  WEIR_ASSIGN(const auto chain, custody::chain_from_json(said));
  WEIR_ASSIGN(const auto severity,
              json_field_or<std::string>(operation.params, "severity", "fail"));
  custody::Places places;
  places.stores = context.stores;
  places.clock = context.clock;
  places.random = context.random;
  places.cancel = context.cancel;
  places.session = session_options(operation.limits);
  places.resolve_secrets = context.resolve_secrets;
  WEIR_ASSIGN(const auto hops, custody::collect(chain, places));
  const auto verdicts = reconcile::judge(hops);
  if (severity == "fail") WEIR_TRY(reconcile::to_status(verdicts));

  Outcome outcome;
  // Looked at, and not moved.
  for (const auto& hop : hops) outcome.counts.in += rows_of(hop);
  outcome.counts.unchanged = outcome.counts.in;
  outcome.counts.out = outcome.counts.in;
  outcome.details["hops"] = hops.size();
  outcome.details["verdicts"] = Json::array();
  for (const auto& verdict : verdicts) {
    outcome.details["verdicts"].push_back(reconcile::to_json(verdict));
    if (!verdict.is_ok)
      outcome.warnings.push_back(
          fmt::format("hop '{}' does not close: {}", verdict.hop, verdict.message));
  }
  return outcome;
}

}  // namespace weir::engine::embedded
