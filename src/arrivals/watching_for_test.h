#pragma once

/// A flow with a file trigger over a layer in memory, and what starts its runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "arrivals/event.h"
#include "arrivals/queue.h"
#include "arrivals/watch.h"
#include "base/digest.h"
#include "base/ids.h"

namespace weir::arrivals {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;

class FakeClock : public Clock {
 public:
  int64_t now_us() override { return now_us_; }
  int64_t monotonic_us() override { return now_us_; }
  int64_t now_us_ = 1'767'600'000 * kSecond;
};

class Watching : public ::testing::Test {
 protected:
  void SetUp() override {
    random_ = make_system_random();
    folder_ = std::filesystem::temp_directory_path() / ("weir-watch-" + make_uuid4(*random_));
    std::filesystem::create_directories(folder_);
    stores_ = storage::make_local_stores(folder_);
    landing_ = *stores_->open("memory:landing");
    open_catalog();
  }
  void TearDown() override {
    catalog_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open_catalog() {
    auto opened = catalog::open_catalog({.url = "sqlite:" + (folder_ / "weir.db").string(),
                                         .base_folder = folder_,
                                         .cancel = nullptr},
                                        clock_, *random_);
    ASSERT_TRUE(opened) << to_line(opened.error());
    catalog_ = *std::move(opened);
  }

  /// The trigger as JSON; a server starts with it.
  Watch watch(const Json& trigger, WatchOptions options = {}, storage::Stores* stores = nullptr) {
    model::Configuration configuration;
    configuration.layers.push_back({"landing", "memory:landing", 0});
    model::Flow flow;
    flow.flow_id = "sales";
    flow.file_trigger = trigger;
    configuration.flows.push_back(flow);
    auto triggers = triggers_of(configuration, folder_);
    for (const auto& fault : triggers.faults) ADD_FAILURE() << to_line(fault.error);
    return Watch(std::move(triggers.usable),
                 {catalog_.get(), stores == nullptr ? stores_.get() : stores}, options);
  }
  /// The same after it has seen that nothing was there.
  Watch fresh(const Json& trigger) {
    Watch made = watch(trigger);
    poll(made);
    return made;
  }

  void land(const std::string& name, const std::string& text = "x") {
    const auto put = storage::put(*landing_, name, text, storage::Put::kReplace);
    ASSERT_TRUE(put) << to_line(put.error());
  }

  Polled poll(Watch& watch) {
    auto polled = watch.poll(clock_.now_us(), cancel_, Watch::Detail::kWaiting);
    if (!polled) {
      ADD_FAILURE() << to_line(polled.error());
      return {};
    }
    for (const auto& fault : polled->faults) ADD_FAILURE() << to_line(fault.error);
    return *std::move(polled);
  }
  Polled poll_after(Watch& watch, int64_t duration_us) {
    clock_.now_us_ += duration_us;
    return poll(watch);
  }

  /// The files of each run that is due, as `a.csv b.csv`.
  static std::vector<std::string> due(const Polled& polled) {
    std::vector<std::string> all;
    for (const auto& run : polled.due) {
      std::string names;
      for (const auto& file : run.files)
        names += (names.empty() ? "" : " ") + file.name.substr(file.name.find('/') + 1);
      all.push_back(names);
    }
    return all;
  }
  static std::vector<std::string> why(const Polled& polled) {
    std::vector<std::string> all;
    for (const auto& waiting : polled.waiting)
      all.push_back(fmt::format("{}: {}", waiting.key, waiting.is_ready ? "ready" : waiting.why));
    return all;
  }

  /// Starts what is due, as a server does. How many runs were new.
  int start(const Polled& polled) {
    int made = 0;
    for (const auto& due_run : polled.due) {
      catalog::FlowRun run;
      run.run_id = make_uuid7(clock_, *random_);
      run.flow_id = due_run.flow_id;
      run.run_key = due_run.run_key;
      run.params = due_run.params;
      run.trigger = "file";
      run.created_at_us = clock_.now_us();
      const auto started = catalog_->start_run(run, {});
      EXPECT_TRUE(started) << to_line(started.error());
      made += started->is_new ? 1 : 0;
    }
    return made;
  }
  size_t runs() { return catalog_->flow_runs("sales", 1000)->size(); }

  FakeClock clock_;
  Cancel cancel_;
  std::unique_ptr<Random> random_;
  std::filesystem::path folder_;
  std::unique_ptr<storage::Stores> stores_;
  storage::Storage* landing_ = nullptr;
  std::unique_ptr<catalog::Catalog> catalog_;
};

inline const Json kEach = {{"pattern", "landing/in/*.csv"}, {"settle", "0s"}};

}  // namespace weir::arrivals
