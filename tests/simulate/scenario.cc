#include "scenario.h"

#include <algorithm>

#include "world.h"

namespace weir::simulate {
namespace {

std::string name_of(char kind, int64_t number) {
  return std::string(1, kind) + std::to_string(number);
}

PlannedFlow make_flow(Dice& dice, int64_t number, const Plan& plan) {
  PlannedFlow flow;
  flow.id = name_of('f', number);
  flow.max_active_runs = dice.chance(0.7) ? 1 : dice.between(2, 3);
  if (dice.chance(0.4)) flow.overlap = static_cast<model::Overlap>(dice.between(0, 3));
  const int64_t count = dice.chance(0.03) ? 0 : dice.between(1, 5);
  for (int64_t i = 0; i < count; ++i) {
    PlannedTask task;
    task.id = name_of('t', i);
    for (int64_t before = 0; before < i; ++before)
      if (dice.chance(0.5)) task.needs.push_back(name_of('t', before));
    if (dice.chance(0.4)) task.run_if = static_cast<model::RunIf>(dice.between(0, 4));
    task.retries = dice.between(0, 2);
    task.retry_delay_ms = dice.chance(0.5) ? 0 : dice.between(100, 20'000);
    if (!plan.pools.empty() && dice.chance(0.4)) {
      auto pool = plan.pools.begin();
      std::advance(pool, dice.between(0, std::ssize(plan.pools) - 1));
      task.pool = pool->first;
    }
    flow.tasks.push_back(std::move(task));
  }
  return flow;
}

Weather make_weather(Dice& dice) {
  Weather weather;
  weather.task_fails = dice.chance(0.5) ? 0.1 : 0.35;
  if (dice.chance(0.15)) return weather;
  // Few kinds at a time, so that one does not hide what another would show.
  const double scale = dice.chance(0.5) ? 1 : 3;
  const auto some = [&](double rate) { return dice.chance(0.5) ? rate * scale : 0; };
  weather.unavailable = some(0.01);
  weather.lost_answer = some(0.01);
  weather.pause = some(0.004);
  weather.crash = some(0.002);
  weather.slow = some(0.01);
  weather.cut = some(0.001);
  weather.task_dies = some(0.05);
  weather.watch_hangs = some(0.05);
  return weather;
}

void make_wishes(Dice& dice, Plan& plan) {
  const int64_t clusters = dice.between(1, 3);
  int64_t number = 0;
  for (int64_t i = 0; i < clusters; ++i) {
    const int64_t at_us = dice.between(kSecondUs, plan.length_us);
    const int64_t count = dice.between(1, 3);
    for (int64_t k = 0; k < count; ++k) {
      const auto& flow =
          plan.flows[static_cast<size_t>(dice.between(0, std::ssize(plan.flows) - 1))];
      const int64_t after_us = dice.chance(0.5) ? 0 : dice.between(0, 30 * kSecondUs);
      plan.wishes.push_back({at_us + after_us, flow.id, name_of('k', number++)});
    }
  }
  std::ranges::stable_sort(plan.wishes, {}, &PlannedWish::time_us);
}

}  // namespace

const PlannedFlow* Plan::find_flow(const std::string& id) const {
  const auto found = std::ranges::find(flows, id, &PlannedFlow::id);
  return found == flows.end() ? nullptr : &*found;
}

Plan make_plan(Dice& dice) {
  Plan plan;
  plan.length_us = dice.between(1, 20) * kHourUs;
  plan.servers = dice.between(1, 4);
  plan.slots = dice.between(1, 5);
  plan.lease_ms = dice.between(10, 40) * 1000;
  plan.look_ms = dice.between(4, 12) * 1000;
  plan.most_skew_ms = dice.chance(0.3) ? dice.between(0, 20'000) : 0;
  plan.longest_task_ms = dice.chance(0.7) ? 2000 : 60'000;
  if (dice.chance(0.5)) plan.people = dice.between(1, 3);
  for (int64_t i = dice.between(0, 2); i > 0; --i) plan.pools[name_of('p', i)] = dice.between(1, 2);
  const int64_t flows = dice.between(1, 2);
  for (int64_t i = 0; i < flows; ++i) plan.flows.push_back(make_flow(dice, i, plan));
  plan.weather = make_weather(dice);
  make_wishes(dice, plan);
  return plan;
}

std::shared_ptr<const orchestrate::Pinned> pin(const Plan& plan) {
  auto pinned = std::make_shared<orchestrate::Pinned>();
  pinned->hash = "simulated";
  for (const auto& [name, slots] : plan.pools) pinned->configuration.pools.push_back({name, slots});
  for (const auto& planned : plan.flows) {
    model::Flow flow;
    flow.flow_id = planned.id;
    flow.overlap = planned.overlap;
    flow.max_active_runs = planned.max_active_runs;
    for (const auto& each : planned.tasks) {
      model::Task task;
      task.flow_id = planned.id;
      task.task_id = each.id;
      task.template_id = "simulated";
      task.needs = each.needs;
      task.run_if = each.run_if;
      task.retries = each.retries;
      task.retry_delay_ms = each.retry_delay_ms;
      task.pool = each.pool;
      flow.tasks.push_back(std::move(task));
    }
    pinned->configuration.flows.push_back(std::move(flow));
  }
  return pinned;
}

}  // namespace weir::simulate
