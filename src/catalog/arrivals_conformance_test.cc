#include "catalog/conformance.h"

namespace weir::catalog {
namespace {

using ::testing::ElementsAre;

Arrival a_file(const std::string& name, ArrivalState state = ArrivalState::kWaiting) {
  Arrival file;
  file.name = name;
  file.state = state;
  file.size_bytes = int64_t{1} << 40;
  file.version = "v'1";
  file.seen_at_us = kMonday;
  file.changed_at_us = kTuesday;
  return file;
}

ArrivalChanges changes(int64_t revision, std::vector<Arrival> files) {
  return {.flow_id = "airports",
          .revision = revision,
          .patterns = {"landing/*.csv"},
          .files = std::move(files),
          .removed = {}};
}

TEST_P(Conformance, ArrivalsComeBackAsTheyWere) {
  Arrival due = a_file("landing/b \u00fc\"'.csv", ArrivalState::kDue);
  due.sha256 = std::string(64, 'a');
  due.run_key = "file:1";
  due.taken_at_us = kTuesday;
  due.gone_at_us = kTuesday + 1;
  const Arrival waiting = a_file("landing/a.csv");
  EXPECT_EQ(catalog_->arrivals("airports")->revision, 0);
  ASSERT_OK(catalog_->write_arrivals(changes(0, {due, waiting})));
  ASSERT_OK(catalog_->write_arrivals(
      {.flow_id = "other", .revision = 0, .patterns = {}, .files = {waiting}, .removed = {}}));
  const auto back = open()->arrivals("airports");
  ASSERT_OK(back);
  EXPECT_EQ(back->revision, 1);
  EXPECT_EQ(back->since_us, clock_.now_us());
  EXPECT_THAT(back->patterns, ElementsAre("landing/*.csv"));
  EXPECT_THAT(back->files, ElementsAre(waiting, due));
}

TEST_P(Conformance, ArrivalsAreReplacedAndRemovedTogether) {
  ASSERT_OK(catalog_->write_arrivals(changes(0, {a_file("landing/a"), a_file("landing/b")})));
  auto next = changes(1, {a_file("landing/a", ArrivalState::kStarted), a_file("landing/c")});
  next.removed = {"landing/b", "landing/unknown"};
  ASSERT_OK(catalog_->write_arrivals(next));
  const auto back = catalog_->arrivals("airports");
  EXPECT_THAT(back->files,
              ElementsAre(a_file("landing/a", ArrivalState::kStarted), a_file("landing/c")));
  EXPECT_EQ(catalog_->arrivals_revision("airports").value(), 2);
}

TEST_P(Conformance, OfTwoWhoWriteArrivalsOneReadsAgain) {
  ASSERT_OK(catalog_->write_arrivals(changes(0, {a_file("landing/a")})));
  const auto other = open();
  ASSERT_OK(other->write_arrivals(changes(1, {a_file("landing/a", ArrivalState::kDue)})));
  EXPECT_FAILS(ErrorCode::kConflict,
               catalog_->write_arrivals(changes(1, {a_file("landing/a"), a_file("landing/b")})));
  EXPECT_FAILS(ErrorCode::kConflict, catalog_->write_arrivals(changes(0, {})));
  EXPECT_THAT(catalog_->arrivals("airports")->files,
              ElementsAre(a_file("landing/a", ArrivalState::kDue)));
}

TEST_P(Conformance, ThousandsOfArrivalsAreWrittenAtOnce) {
  std::vector<Arrival> files;
  for (int i = 0; i < 12'000; ++i) files.push_back(a_file(fmt::format("landing/{:05}", i)));
  ASSERT_OK(catalog_->write_arrivals(changes(0, files)));
  EXPECT_EQ(catalog_->arrivals("airports")->files, files);
}

TEST_P(Conformance, AnEventOfAKnownIdIsKeptOnce) {
  const InboxEvent event{.event_id = "s3://b/k#1", .kind = "file", .payload = {{"file", "x"}}};
  InboxEvent later{.event_id = "s3://b/k#2", .kind = "file"};
  EXPECT_EQ(catalog_->add_events({event, event, later}).value(), 2);
  EXPECT_EQ(open()->add_events({event}).value(), 0);
  const auto waiting = catalog_->waiting_events(10);
  ASSERT_OK(waiting);
  ASSERT_EQ(waiting->size(), 2u);
  EXPECT_EQ(waiting->front().payload, event.payload);
  EXPECT_EQ(catalog_->waiting_events(1)->size(), 1u);
  ASSERT_OK(catalog_->note_handled({"s3://b/k#1"}));
  EXPECT_EQ(catalog_->waiting_events(10)->front().event_id, "s3://b/k#2");
  EXPECT_EQ(catalog_->add_events({event}).value(), 0) << "it was dealt with";
}

TEST_P(Conformance, EventsAreForgottenTwoWeeksAfterTheyWereDealtWith) {
  ASSERT_OK(catalog_->add_events({{.event_id = "old", .kind = "file"}}));
  ASSERT_OK(catalog_->note_handled({"old"}));
  clock_.advance_ms(int64_t{13} * 24 * 3'600'000);
  ASSERT_OK(catalog_->note_handled({"none"}));
  EXPECT_EQ(place_->query("SELECT count(*) AS value FROM event_inbox"), "1");
  clock_.advance_ms(int64_t{2} * 24 * 3'600'000);
  ASSERT_OK(catalog_->add_events({{.event_id = "new", .kind = "file"}}));
  ASSERT_OK(catalog_->note_handled({"none"}));
  EXPECT_EQ(place_->query("SELECT event_id AS value FROM event_inbox"), "new");
}

}  // namespace
}  // namespace weir::catalog
