#include "world.h"

#include <cstdio>

namespace weir::simulate {
namespace {

constexpr size_t kStackBytes = 256 << 10;

/// Stacks are used again by later seeds.
std::vector<std::unique_ptr<char[]>>& free_stacks() {
  static std::vector<std::unique_ptr<char[]>> stacks;
  return stacks;
}

// A context is entered without arguments.
World* entered_world = nullptr;
Fiber* entered_fiber = nullptr;

}  // namespace

World::World(uint64_t seed, bool is_traced)
    : dice(seed), now_us(1'790'000'000 * kSecondUs), begun_us(now_us), is_traced_(is_traced) {}

World::~World() { end(); }

void World::end() {
  is_over_ = true;
  for (auto& fiber : fibers_) {
    if (fiber->has_begun && !fiber->has_ended) {
      fiber->process->is_dead = true;
      ++fiber->ticket;
      resume(*fiber);
    }
    fiber->body = {};
    fiber->on_end = {};
  }
}

Process& World::add_process(std::string name, int64_t skew_us) {
  auto process = std::make_unique<Process>();
  process->name = std::move(name);
  process->skew_us = skew_us;
  return *processes_.emplace_back(std::move(process));
}

Fiber& World::spawn(Process& process, std::string role, std::function<void()> body,
                    std::function<void(bool)> on_end) {
  auto fiber = std::make_unique<Fiber>();
  fiber->process = &process;
  fiber->role = std::move(role);
  fiber->body = std::move(body);
  fiber->on_end = std::move(on_end);
  Fiber& spawned = *fibers_.emplace_back(std::move(fiber));
  push(now_us, &spawned, spawned.ticket, {});
  return spawned;
}

void World::push(int64_t time_us, Fiber* fiber, uint64_t ticket, std::function<void()> what) {
  events_.push({std::max(time_us, now_us), ++numbered_, fiber, ticket, std::move(what)});
}

void World::at(int64_t time_us, std::function<void()> what) {
  push(time_us, nullptr, 0, std::move(what));
}

void World::wake(Fiber& fiber, int64_t time_us) {
  if (!fiber.has_ended) push(time_us, &fiber, fiber.ticket, {});
}

void World::sleep_until(int64_t time_us) {
  Fiber& self = *running_;
  push(time_us, &self, self.ticket, {});
  swapcontext(&self.context, &main_);
  if (self.process->is_dead) throw Killed{};
}

void World::kill(Process& process) {
  if (process.is_dead) return;
  trace("{} dies", process.name);
  process.is_dead = true;
  note_fault();
  if (on_kill) on_kill(process);
  for (auto& fiber : fibers_)
    if (fiber->process == &process && fiber.get() != running_) wake(*fiber, now_us);
  if (running_ != nullptr && running_->process == &process) throw Killed{};
}

void World::pause(Process& process, int64_t duration_us) {
  trace("{} pauses for {} ms", process.name, duration_us / 1000);
  process.paused_until_us = std::max(process.paused_until_us, now_us + duration_us);
  note_fault();
}

void World::enter() {
  World& world = *entered_world;
  Fiber& fiber = *entered_fiber;
  try {
    if (!fiber.process->is_dead) fiber.body();
    fiber.was_killed = fiber.process->is_dead;
  } catch (const Killed&) {
    fiber.was_killed = true;
  }
  fiber.has_ended = true;
  swapcontext(&fiber.context, &world.main_);
}

void World::resume(Fiber& fiber) {
  Fiber* const before = running_;
  running_ = &fiber;
  ++fiber.ticket;
  if (!fiber.has_begun) {
    fiber.has_begun = true;
    if (free_stacks().empty()) {
      fiber.stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
    } else {
      fiber.stack = std::move(free_stacks().back());
      free_stacks().pop_back();
    }
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    entered_world = this;
    entered_fiber = &fiber;
    makecontext(&fiber.context, &World::enter, 0);
  }
  swapcontext(&main_, &fiber.context);
  running_ = before;
  if (!fiber.has_ended) return;
  free_stacks().push_back(std::move(fiber.stack));
  fiber.body = {};
  if (fiber.on_end && !is_over_) fiber.on_end(fiber.was_killed);
  fiber.on_end = {};
}

bool World::step() {
  while (!events_.empty()) {
    Event event = events_.top();
    events_.pop();
    now_us = std::max(now_us, event.time_us);
    if (event.fiber == nullptr) {
      ++event_count;
      event.what();
      return true;
    }
    Fiber& fiber = *event.fiber;
    if (fiber.has_ended || event.ticket != fiber.ticket) continue;
    if (!fiber.process->is_dead && fiber.process->paused_until_us > now_us) {
      push(fiber.process->paused_until_us + dice.between(0, 1000), &fiber, fiber.ticket, {});
      continue;
    }
    ++event_count;
    resume(fiber);
    return true;
  }
  return false;
}

void World::write(const std::string& line) {
  const int64_t ms = (now_us - begun_us) / 1000;
  std::printf("%6ld:%02ld:%02ld.%03ld %-12s %s\n", static_cast<long>(ms / 3'600'000),
              static_cast<long>(ms / 60'000 % 60), static_cast<long>(ms / 1000 % 60),
              static_cast<long>(ms % 1000),
              running_ == nullptr ? "" : running_->process->name.c_str(), line.c_str());
}

}  // namespace weir::simulate
