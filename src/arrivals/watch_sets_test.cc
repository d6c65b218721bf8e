#include "arrivals/watching_for_test.h"

namespace weir::arrivals {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// A store in which something happens while a file is read.
class Restless final : public storage::Storage {
 public:
  explicit Restless(storage::Storage& inner) : inner_(inner) {}
  storage::Capabilities capabilities() const override { return inner_.capabilities(); }
  Result<std::string> read(std::string_view name, storage::Range range) override {
    auto bytes = inner_.read(name, range);
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    return bytes;
  }
  Result<storage::Entry> stat(std::string_view name) override { return inner_.stat(name); }
  Result<std::unique_ptr<storage::Writer>> create(std::string_view name) override {
    return inner_.create(name);
  }
  Result<storage::Page> list(std::string_view prefix, std::string_view after) override {
    return inner_.list(prefix, after);
  }
  Status remove(std::string_view name) override { return inner_.remove(name); }
  Result<std::string> engine_uri(std::string_view name) const override {
    return inner_.engine_uri(name);
  }
  const std::string& uri() const override { return inner_.uri(); }

  std::function<void()> meanwhile;  ///< Once, behind the first read.

 private:
  storage::Storage& inner_;
};

class OneStore final : public storage::Stores {
 public:
  explicit OneStore(storage::Storage& store) : store_(store) {}
  Result<storage::Storage*> open(const std::string& /*uri*/) override { return &store_; }

 private:
  storage::Storage& store_;
};

TEST_F(Watching, AFileThatChangesWhileItIsReadIsNotTaken) {
  fresh(kEach);
  Restless store(*landing_);
  OneStore stores(store);
  Watch watching = watch(kEach, {}, &stores);
  land("in/a.csv", "before");
  store.meanwhile = [&] { land("in/a.csv", "others"); };
  const auto first = poll_after(watching, kMinute);
  EXPECT_THAT(due(first), IsEmpty());
  EXPECT_THAT(why(first), ElementsAre(HasSubstr("changed while it was read")));
  const auto second = poll(watching);
  ASSERT_THAT(due(second), ElementsAre("in/a.csv"));
  EXPECT_EQ(second.due[0].files[0].sha256, sha256_hex("others"));
}

TEST_F(Watching, OfTwoServersThatDecideAtOnceOneLooksAgain) {
  const Json all = {{"pattern", "landing/in/*.csv"}, {"settle", "0s"}, {"batch", "all"}};
  Watch two = fresh(all);
  Restless store(*landing_);
  OneStore stores(store);
  Watch one = watch(all, {}, &stores);
  poll(one);
  land("in/a.csv");
  Polled others;
  // One knows of a alone when two decides about a and b.
  store.meanwhile = [&] {
    land("in/b.csv");
    others = poll(two);
  };
  const auto mine = poll_after(one, kMinute);
  ASSERT_THAT(due(others), ElementsAre("in/a.csv in/b.csv"));
  ASSERT_THAT(due(mine), ElementsAre("in/a.csv in/b.csv"));
  EXPECT_EQ(start(mine) + start(others), 1);
}

const Json kSet = {{"set", {{"orders", "landing/orders-*.csv"}, {"lines", "landing/lines-*.csv"}}},
                   {"key", R"((?<day>\d{8}))"},
                   {"settle", "0s"},
                   {"deadline", "1h"}};

TEST_F(Watching, ASetWaitsForAllItsMembersByTheirKey) {
  Watch watching = fresh(kSet);
  land("orders-20260105.csv");
  land("lines-20260106.csv");
  land("orders-late.csv");
  const auto seen = poll_after(watching, kMinute);
  EXPECT_THAT(due(seen), IsEmpty());
  EXPECT_THAT(why(seen), UnorderedElementsAre("20260105: no file is there for lines",
                                              "20260106: no file is there for orders",
                                              HasSubstr("its name has no key")));
  land("lines-20260105.csv");
  const auto polled = poll_after(watching, kMinute);
  ASSERT_THAT(due(polled), ElementsAre("lines-20260105.csv orders-20260105.csv"));
  EXPECT_EQ(polled.due[0].params["trigger.key.day"], "20260105");
  EXPECT_EQ(polled.due[0].params["trigger.set.orders"], "landing/orders-20260105.csv");
  EXPECT_EQ(start(polled), 1);
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty());
}

TEST_F(Watching, ACorrectedMemberStartsTheWholeSetAgain) {
  Watch watching = fresh(kSet);
  land("orders-20260105.csv", "o");
  land("lines-20260105.csv", "l");
  start(poll_after(watching, kMinute));
  land("lines-20260105.csv", "l");
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty()) << "nothing in it is new";
  land("lines-20260105.csv", "corrected");
  const auto again = poll_after(watching, kMinute);
  EXPECT_THAT(due(again), ElementsAre("lines-20260105.csv orders-20260105.csv"));
  EXPECT_EQ(start(again), 1);
}

TEST_F(Watching, ASetThatIsNotWholeInTimeIsTold) {
  Watch watching = fresh(kSet);
  land("orders-20260105.csv");
  const auto seen = poll_after(watching, kMinute);
  EXPECT_THAT(seen.late, IsEmpty());
  const auto late = poll_after(watching, 60 * kMinute);
  ASSERT_EQ(late.late.size(), 1u);
  EXPECT_EQ(late.late[0].key, "20260105");
  EXPECT_EQ(late.late[0].kind, "waiting");
  EXPECT_EQ(late.late[0].text, "no file is there for lines");
  EXPECT_THAT(poll_after(watching, kMinute).late, IsEmpty()) << "once";
  Watch restarted = watch(kSet);
  EXPECT_EQ(poll(restarted).late[0].fact_key, late.late[0].fact_key);
}

TEST_F(Watching, SilenceIsTold) {
  Json trigger = kEach;
  trigger["silence"] = "2h";
  Watch watching = fresh(trigger);
  land("in/a.csv");
  start(poll_after(watching, 60 * kMinute));
  EXPECT_THAT(poll_after(watching, 119 * kMinute).late, IsEmpty());
  const auto late = poll_after(watching, kMinute);
  ASSERT_EQ(late.late.size(), 1u);
  EXPECT_EQ(late.late[0].kind, "silent");
}

TEST_F(Watching, AManifestSaysWhichFilesBelongToARun) {
  Watch watching =
      fresh({{"pattern", "landing/in/*.csv"}, {"manifest", "landing/in/*.json"}, {"settle", "0s"}});
  land("in/a.csv", "aa");
  land("in/m.json", R"({"files": [{"name": "a.csv", "size": 3}, {"name": "b.csv"}]})");
  EXPECT_THAT(
      why(poll_after(watching, kMinute)),
      ElementsAre(AllOf(HasSubstr("m.json"), HasSubstr("'a.csv' has 2 bytes, 3 are listed"))));
  land("in/a.csv", "aaa");
  EXPECT_THAT(why(poll_after(watching, kMinute)), ElementsAre(HasSubstr("b.csv")));
  land("in/b.csv", "b");
  land("in/c.csv", "c");
  const auto polled = poll_after(watching, kMinute);
  EXPECT_THAT(due(polled), ElementsAre("in/a.csv in/b.csv"));
  EXPECT_EQ(polled.due[0].params["trigger.manifest"], "landing/in/m.json");
  EXPECT_THAT(why(polled), ElementsAre("landing/in/c.csv: no manifest lists it"));
  EXPECT_EQ(start(polled), 1);
  EXPECT_THAT(due(poll_after(watching, kMinute)), IsEmpty());
}

TEST_F(Watching, WhatAManifestSaysOfTheBytesMustHold) {
  Watch watching = fresh(
      {{"pattern", "landing/in/*.csv"}, {"manifest", "landing/in/*.sha256"}, {"settle", "0s"}});
  land("in/a.csv", "wrong");
  land("in/m.sha256", sha256_hex("right") + "  a.csv\n");
  EXPECT_THAT(why(poll_after(watching, kMinute)), ElementsAre(HasSubstr("holds other bytes")));
  land("in/a.csv", "right");
  EXPECT_THAT(due(poll_after(watching, kMinute)), ElementsAre("in/a.csv"));
}

TEST_F(Watching, AControlFileSaysThatAKeyIsWhole) {
  Watch watching = fresh({{"pattern", "landing/in/*.csv"},
                          {"key", R"((?<day>\d{8}))"},
                          {"control", "landing/in/*.ctl"},
                          {"settle", "0s"}});
  land("in/20260105-1.csv", "1");
  EXPECT_THAT(why(poll_after(watching, kMinute)),
              ElementsAre("20260105: its control file is not there"));
  land("in/20260105.ctl", "2\n");
  EXPECT_THAT(why(poll_after(watching, kMinute)), ElementsAre(HasSubstr("1 of 2 files")));
  land("in/20260105-2.csv", "2");
  EXPECT_THAT(due(poll_after(watching, kMinute)),
              ElementsAre("in/20260105-1.csv in/20260105-2.csv"));
}

TEST_F(Watching, AnEventWakesAndNarrowsTheLook) {
  Json trigger = kEach;
  trigger["poll"] = "1h";
  Watch watching = fresh(trigger);
  land("in/a.csv", "a");
  land("in/b.csv", "b");
  ASSERT_EQ(take_body(R"({"file": "landing/in/a.csv"})", *catalog_, clock_).value(), 1);
  EXPECT_THAT(due(poll_after(watching, kSecond)), ElementsAre("in/a.csv"));
  EXPECT_THAT(*catalog_->waiting_events(10), IsEmpty());
  // Of one that is gone, of another layer and of no trigger nothing comes.
  ASSERT_TRUE(take_body(R"({"files": ["landing/in/c.csv", "raw/in/b.csv", "landing/b.txt"]})",
                        *catalog_, clock_));
  EXPECT_THAT(due(poll_after(watching, kSecond)), ElementsAre("in/a.csv"));
  EXPECT_THAT(*catalog_->waiting_events(10), IsEmpty());
}

TEST_F(Watching, AnEventThatComesTwiceOrLateIsOneRun) {
  Watch watching = fresh(kEach);
  land("in/a.csv", "a");
  ASSERT_TRUE(take_body(R"({"file": "landing/in/a.csv"})", *catalog_, clock_));
  EXPECT_EQ(start(poll_after(watching, kSecond)), 1);
  ASSERT_TRUE(take_body(R"({"file": "landing/in/a.csv"})", *catalog_, clock_));
  EXPECT_EQ(start(poll_after(watching, kSecond)), 0);
  EXPECT_EQ(start(poll_after(watching, kMinute)), 0);
  EXPECT_EQ(runs(), 1u);
}

TEST_F(Watching, AnEventSurvivesAServerThatDiesBeforeItLooked) {
  Json trigger = kEach;
  trigger["poll"] = "1h";
  fresh(trigger);
  land("in/a.csv", "a");
  ASSERT_TRUE(take_body(R"({"file": "landing/in/a.csv"})", *catalog_, clock_));
  EXPECT_EQ(catalog_->waiting_events(10)->size(), 1u);
  Watch second = watch(trigger);
  EXPECT_EQ(start(poll(second)), 1);
}

TEST_F(Watching, ManyRunsAreHandedOutByPortions) {
  Json trigger = kEach;
  Watch first = fresh(trigger);
  for (int i = 0; i < 25; ++i) land(fmt::format("in/{:02}.csv", i), std::to_string(i));
  Watch watching = watch(trigger, {.most_runs = 10});
  clock_.now_us_ += kMinute;
  int started = 0;
  for (int polls = 0; polls < 4; ++polls) {
    const auto polled = poll(watching);
    EXPECT_LE(polled.due.size(), 10u);
    started += start(polled);
  }
  EXPECT_EQ(started, 25);
  EXPECT_THAT(due(poll(watching)), IsEmpty());
}

TEST_F(Watching, ContentIsReadByPortions) {
  Watch first = fresh(kEach);
  land("in/a.csv", std::string(600, 'a'));
  land("in/b.csv", std::string(600, 'b'));
  Watch watching = watch(kEach, {.most_hashed_bytes = 500});
  const auto one = poll_after(watching, kMinute);
  EXPECT_THAT(due(one), ElementsAre("in/a.csv"));
  EXPECT_EQ(one.next_poll_at_us, clock_.now_us());
  EXPECT_EQ(due(poll(watching)).size(), 2u);
}

TEST_F(Watching, ATriggerThatCannotLookIsTriedLaterAndStopsNoOther) {
  model::Configuration configuration;
  configuration.layers = {{"landing", "memory:landing", 0}, {"far", "gopher://far", 1}};
  for (const char* layer : {"far", "landing"}) {
    model::Flow flow;
    flow.flow_id = std::string("from_") + layer;
    flow.file_trigger = {
        {"pattern", std::string(layer) + "/*.csv"}, {"settle", "0s"}, {"existing", "process"}};
    configuration.flows.push_back(flow);
  }
  Watch watching(triggers_of(configuration, folder_).usable, {catalog_.get(), stores_.get()});
  land("a.csv");
  ASSERT_TRUE(take_body(R"({"file": "far/a.csv"})", *catalog_, clock_));
  const auto polled = watching.poll(clock_.now_us(), cancel_);
  ASSERT_TRUE(polled);
  EXPECT_EQ(polled->due.size(), 1u);
  ASSERT_EQ(polled->faults.size(), 1u);
  EXPECT_EQ(polled->faults[0].flow_id, "from_far");
  EXPECT_EQ(polled->next_poll_at_us, clock_.now_us() + 30 * kSecond);
  EXPECT_EQ(catalog_->waiting_events(10)->size(), 1u) << "its event waits for it";
}

TEST_F(Watching, ADecidedRunIsStartedThoughThePatternWasChanged) {
  Watch first = fresh(kEach);
  land("in/a.csv");
  ASSERT_EQ(poll_after(first, kMinute).due.size(), 1u);
  Watch changed = watch({{"pattern", "landing/other/*.csv"}, {"settle", "0s"}});
  EXPECT_THAT(due(poll(changed)), ElementsAre("in/a.csv"));
}

TEST_F(Watching, LookingWritesNothing) {
  Watch watching = fresh(kEach);
  land("in/a.csv");
  const auto looked = watching.look(clock_.now_us(), cancel_);
  ASSERT_TRUE(looked);
  EXPECT_THAT(why(*looked), ElementsAre("landing/in/a.csv: ready"));
  EXPECT_THAT(catalog_->arrivals("sales")->files, IsEmpty());
  EXPECT_THAT(due(poll_after(watching, kMinute)), ElementsAre("in/a.csv"));
}

TEST_F(Watching, PollsOfNothingNewWriteNothing) {
  Watch watching = fresh(kEach);
  land("in/a.csv");
  start(poll_after(watching, kMinute));
  poll_after(watching, kMinute);
  const auto revision = catalog_->arrivals_revision("sales").value();
  for (int i = 0; i < 3; ++i) poll_after(watching, kMinute);
  EXPECT_EQ(catalog_->arrivals_revision("sales").value(), revision);
}

}  // namespace
}  // namespace weir::arrivals
