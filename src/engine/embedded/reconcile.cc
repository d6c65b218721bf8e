// One dataset against what is known of it: `{"counts": Counts, "rows": …, "input_rows": …,
// "rejected": [{uri, name, size_bytes, sha256, rows}]}` beside the pinned objects. Nothing is
// written. Custody: the rows of the footers against the rows that DuckDB reads.

#include "reconcile/reconcile.h"

#include "engine/embedded/executors.h"
#include "engine/embedded/pinned.h"
#include "parquet/parquet.h"

namespace weir::engine::embedded {
namespace {

/// What is there now. Only a store that does not answer is an error; all else is a fact.
Result<reconcile::Found> look_at(const model::PinnedObject& object, storage::Stores& stores) {
  reconcile::Found found;
  WEIR_ASSIGN(auto* store, stores.open(object.uri));
  const auto digest = storage::digest_of(*store, object.name);
  if (!digest && digest.error().code == ErrorCode::kNotFound) {
    found.is_there = false;
    return found;
  }
  if (!digest) return std::unexpected(digest.error());
  found.size_bytes = digest->size_bytes;
  found.sha256 = digest->sha256;
  const auto info = parquet::read_info(*store, object.name);
  if (info)
    found.rows = info->rows;
  else
    found.fault = info.error().message;
  return found;
}

Result<reconcile::Object> object_of(const model::PinnedObject& pinned, const Context& context) {
  WEIR_TRY(context.cancel->check());
  reconcile::Object object{.name = pinned.name};
  object.records.push_back({.by = "its record",
                            .size_bytes = pinned.size_bytes,
                            .sha256 = pinned.sha256,
                            .rows = pinned.rows});
  WEIR_ASSIGN(object.found, look_at(pinned, *context.stores));
  return object;
}

Result<model::PinnedObject> rejected_object(const Json& json) {
  model::PinnedObject object;
  WEIR_ASSIGN(object.uri, json_field<std::string>(json, "uri"));
  WEIR_ASSIGN(object.name, json_field<std::string>(json, "name"));
  WEIR_ASSIGN(object.size_bytes, json_field_or<int64_t>(json, "size_bytes", -1));
  WEIR_ASSIGN(object.sha256, json_field_or<std::string>(json, "sha256", ""));
  WEIR_ASSIGN(object.rows, json_field_or<int64_t>(json, "rows", -1));
  return object;
}

Result<reconcile::Hop> hop_of(const Operation& operation, const Context& context) {
  const auto& input = operation.inputs[0];
  reconcile::Hop hop{.name = input.dataset.text()};
  for (const auto& pinned : input.objects) {
    WEIR_ASSIGN(hop.objects.emplace_back(), object_of(pinned, context));
  }
  WEIR_ASSIGN(const auto rejected,
              json_field_or<Json>(operation.params, "rejected", Json::array()));
  for (const auto& entry : rejected) {
    WEIR_ASSIGN(const auto pinned, rejected_object(entry));
    WEIR_ASSIGN(hop.rejected.emplace_back(), object_of(pinned, context));
  }
  WEIR_ASSIGN(const auto counts, json_field_or<Json>(operation.params, "counts", Json()));
  hop.must_have_counts = false;
  if (!counts.is_null()) {
    WEIR_ASSIGN(hop.counts, model::counts_from_json(counts));
  }
  WEIR_ASSIGN(hop.rows_published, json_field_or<int64_t>(operation.params, "rows", -1));
  WEIR_ASSIGN(hop.input_rows_counted, json_field_or<int64_t>(operation.params, "input_rows", -1));
  return hop;
}

}  // namespace

Result<Outcome> reconcile(const Operation& operation, const Context& context) {
  if (operation.inputs.size() != 1)
    return fail(ErrorCode::kInternal, "a reconciliation has one input, not {}",
                operation.inputs.size());
  WEIR_ASSIGN(const auto hop, hop_of(operation, context));
  const auto verdicts = reconcile::judge({hop});
  WEIR_TRY(reconcile::to_status(verdicts));

  Outcome outcome;
  for (const auto& object : hop.objects) outcome.counts.in += object.found.rows;
  WEIR_ASSIGN(const auto readings, open_readings(operation, context));
  const auto& name = readings.inputs[0].view.dataset;
  WEIR_ASSIGN(outcome.counts.unchanged,
              readings.session->query_number(fmt::format("SELECT count(*) FROM {}.{}",
                                                         model::quote_name(name.layer),
                                                         model::quote_name(name.name))));
  outcome.counts.out = outcome.counts.unchanged;
  if (!outcome.counts.is_closed())
    return fail(ErrorCode::kCheckFailed, "{} has {} rows by its footers and {} when they are read",
                name.text(), outcome.counts.in, outcome.counts.unchanged);
  outcome.details["verdicts"] = Json::array();
  for (const auto& verdict : verdicts)
    outcome.details["verdicts"].push_back(reconcile::to_json(verdict));
  return outcome;
}

}  // namespace weir::engine::embedded
