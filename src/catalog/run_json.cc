#include "catalog/run_json.h"

#include "base/instant.h"

namespace weir::catalog {
namespace {

Json instant(int64_t at_us) { return at_us == 0 ? Json() : Json(format_instant(at_us)); }

}  // namespace

Json to_json(const FlowRun& run) {
  return {{"run_id", run.run_id},
          {"flow_id", run.flow_id},
          {"run_key", run.run_key},
          {"state", to_text(run.state)},
          {"config_hash", run.config_hash},
          {"params", run.params},
          {"trigger", run.trigger},
          {"rerun_of", run.rerun_of},
          {"backfill_id", run.backfill_id},
          {"logical_time", instant(run.logical_time_us)},
          {"interval_start", instant(run.interval_start_us)},
          {"interval_end", instant(run.interval_end_us)},
          {"time_zone_release", run.time_zone_release},
          {"created_at", instant(run.created_at_us)},
          {"started_at", instant(run.started_at_us)},
          {"finished_at", instant(run.finished_at_us)},
          {"is_served", run.is_served},
          {"cancel_requested", run.cancel_requested},
          {"error_code", run.error_code},
          {"error_text", run.error_text}};
}

Json to_json(const WaitingStart& start) {
  return {{"flow_id", start.flow_id},
          {"trigger", start.trigger},
          {"run_key", start.run_key},
          {"logical_time", instant(start.logical_time_us)},
          {"since", instant(start.since_us)},
          {"tried_at", instant(start.tried_at_us)},
          {"next_try_at", instant(start.next_try_us)},
          {"tries", start.tries},
          {"error_code", start.error_code},
          {"error_text", start.error_text},
          {"error_hint", start.error_hint}};
}

}  // namespace weir::catalog
