#include "faulty_catalog.h"

namespace weir::simulate {

void FaultyCatalog::misbehave() {
  if (strikes(weather_.crash)) world_.kill(process_);
  if (strikes(weather_.pause)) world_.pause(process_, world_.dice.between(100, 90'000) * 1000);
  if (strikes(weather_.cut)) {
    const int64_t duration_us = world_.dice.between(100, 60'000) * 1000;
    world_.trace("{} is cut off for {} ms", process_.name, duration_us / 1000);
    process_.cut_until_us = world_.now_us + duration_us;
    world_.note_fault();
  }
}

Status FaultyCatalog::before(std::string_view name) {
  ++world_.call_count;
  misbehave();
  int64_t duration_us = world_.dice.between(100, 2000);
  if (strikes(weather_.slow)) {
    duration_us = world_.dice.between(100, 40'000) * 1000;
    world_.note_fault();
  }
  world_.sleep(duration_us);
  if (process_.cut_until_us > world_.now_us && !world_.is_calm) {
    world_.note_fault();
    world_.sleep(world_.dice.between(1, 500) * 1000);
    return fail(ErrorCode::kUnavailable, "cut off from the database");
  }
  if (!strikes(weather_.unavailable)) return {};
  world_.trace("  {} does not get through", name);
  world_.note_fault();
  return fail(ErrorCode::kUnavailable, "the database cannot be reached");
}

Status FaultyCatalog::after(std::string_view name, bool has_succeeded) {
  misbehave();
  int64_t duration_us = world_.dice.between(100, 2000);
  if (strikes(weather_.slow)) {
    duration_us = world_.dice.between(100, 40'000) * 1000;
    world_.note_fault();
  }
  world_.sleep(duration_us);
  if (!has_succeeded || !strikes(weather_.lost_answer)) return {};
  world_.trace("  {} has happened, but the answer is lost", name);
  world_.note_fault();
  return world_.dice.chance(0.5)
             ? fail(ErrorCode::kOutcomeUnknown, "the connection broke at COMMIT")
             : fail(ErrorCode::kUnavailable, "the connection broke");
}

}  // namespace weir::simulate
