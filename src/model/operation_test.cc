// What an operation's token depends on, and its JSON.

#include "model/operation.h"

#include <functional>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::model {
namespace {

Operation merge() {
  Operation operation;
  operation.kind = OperationKind::kMergeHistory;
  PinnedInput input;
  input.dataset = {"raw", "airports"};
  input.format = "parquet";
  input.uri = "/lake/raw/airports";
  PinnedObject object;
  object.uri = input.uri;
  object.name = "a.parquet";
  object.sha256 = std::string(64, 'a');
  object.size_bytes = 100;
  object.rows = 3;
  input.objects = {object, object};
  input.objects[1].name = "b.parquet";
  input.objects[1].sha256 = std::string(64, 'b');
  operation.inputs = {input};
  operation.target.dataset = {"stage", "airports"};
  operation.target.uri = "/lake/stage/airports";
  operation.target.format = "hudi";
  operation.target.mode = WriteMode::kMerge;
  operation.target.key = {"icao"};
  operation.params = {{"deletes", "by_absence"}};
  operation.as_of_us = 1'652'313'600'000'000;
  operation.origin = {"air", "history", "run-1", 1, 1'652'313'600'000'000};
  return operation;
}

using Change = std::function<void(Operation&)>;

TEST(Token, LeavesOutPlacesPersonsAndWhatIsProved) {
  const std::string token = token_of(merge());
  EXPECT_EQ(token.size(), 64U);
  const std::vector<std::pair<const char*, Change>> changes = {
      {"store of the inputs", [](auto& o) { o.inputs[0].uri = "s3://lake/raw/airports"; }},
      {"store of an object", [](auto& o) { o.inputs[0].objects[0].uri = "s3://lake"; }},
      {"name of an object", [](auto& o) { o.inputs[0].objects[0].name = "z.parquet"; }},
      {"order of the objects",
       [](auto& o) { std::swap(o.inputs[0].objects[0], o.inputs[0].objects[1]); }},
      {"store of the target", [](auto& o) { o.target.uri = "s3://lake/stage/airports"; }},
      {"quarantine", [](auto& o) { o.target.rejected_uri = "s3://lake/rejected"; }},
      {"connection", [](auto& o) { o.target.connection_options = {{"path", "other.duckdb"}}; }},
      {"control columns", [](auto& o) { o.target.options["control_columns"] = {"lat"}; }},
      {"readers", [](auto& o) { o.target.options["reader"] = "athena"; }},
      {"an approval", [](auto& o) { o.params["approved"] = true; }},
      {"guard", [](auto& o) { o.guard = {"/lake", "lock.json", 7}; }},
      {"limits", [](auto& o) { o.limits = {1 << 20, 2, "/tmp"}; }},
      {"buckets", [](auto& o) { o.buckets.push_back({"lake", "s3", {{"profile", "etl"}}, ""}); }},
      {"who asked", [](auto& o) { o.origin = {"other", "task", "run-2", 4, 0}; }}};
  for (const auto& [what, change] : changes) {
    Operation other = merge();
    change(other);
    EXPECT_EQ(token_of(other), token) << what;
  }
}

TEST(Token, DependsOnWhatIsReadAndWhatBecomesOfIt) {
  const std::string token = token_of(merge());
  const std::vector<std::pair<const char*, Change>> changes = {
      {"kind", [](auto& o) { o.kind = OperationKind::kMergeLatest; }},
      {"input", [](auto& o) { o.inputs[0].dataset.name = "ports"; }},
      {"content", [](auto& o) { o.inputs[0].objects[0].sha256 = std::string(64, 'c'); }},
      {"an object less", [](auto& o) { o.inputs[0].objects.pop_back(); }},
      {"version", [](auto& o) { o.inputs[0].instant = "20260101000000000"; }},
      {"target", [](auto& o) { o.target.dataset.name = "ports"; }},
      {"key", [](auto& o) { o.target.key = {"iata"}; }},
      {"option", [](auto& o) { o.target.options["columns"] = {{"valid_from", "since"}}; }},
      {"parameter", [](auto& o) { o.params["deletes"] = "ignore"; }},
      {"as-of", [](auto& o) { *o.as_of_us += 1; }}};
  for (const auto& [what, change] : changes) {
    Operation other = merge();
    change(other);
    EXPECT_NE(token_of(other), token) << what;
  }
}

TEST(Token, OfALandingFileIsItsDeclaredIdentity) {
  Operation one = merge();
  one.params["input_identity"] = "abc";
  Operation other = one;
  other.inputs[0].objects[0].sha256 = std::string(64, 'c');
  other.as_of_us = std::nullopt;
  EXPECT_EQ(token_of(other), token_of(one));
  other.params["input_identity"] = "abd";
  EXPECT_NE(token_of(other), token_of(one));
}

TEST(OperationJson, ComesBackWhole) {
  Operation operation = merge();
  operation.token = token_of(operation);
  operation.guard = {"/lake", "lock.json", 7};
  operation.limits = {1 << 20, 2, "/tmp"};
  operation.buckets.push_back({"lake", "s3", {{"profile", "etl"}}, ""});
  const auto back = operation_from_json(to_json(operation));
  ASSERT_TRUE(back) << to_line(back.error());
  EXPECT_EQ(to_json(*back), to_json(operation));
  EXPECT_EQ(back->buckets.at(0).kind, "s3");
  EXPECT_EQ(back->buckets.at(0).options["profile"], "etl");
  EXPECT_EQ(back->guard.epoch, 7);
  EXPECT_EQ(token_of(*back), operation.token);
}

TEST(OperationJson, OfAnotherFormatIsRefused) {
  Json json = to_json(merge());
  json["format"] = 2;
  EXPECT_EQ(operation_from_json(json).error().code, ErrorCode::kUnsupported);
  json = to_json(merge());
  json.erase("op");
  EXPECT_EQ(operation_from_json(json).error().code, ErrorCode::kInvalidData);
}

}  // namespace
}  // namespace weir::model
