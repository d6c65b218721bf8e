#include "config/json_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/sample_test_project.h"

namespace weir::config {
namespace {

TEST(JsonSchema, SaysTheKeysThatTheReaderTakes) {
  const Json schema = json_schema(sample::builtin());
  const Json& task = schema["$defs"]["task"];
  EXPECT_EQ(task["required"], Json::parse(R"(["id","template"])"));
  EXPECT_EQ(task["additionalProperties"], false);
  EXPECT_EQ(
      task["properties"]["retries"],
      Json::parse(
          R"({"type":"integer","minimum":0,"maximum":1000,"description":"Attempts after the first."})"));
  const Json& project = schema["$defs"]["project"]["properties"];
  EXPECT_EQ(project["datasets"]["items"]["properties"]["identity"]["enum"],
            Json::parse(R"(["content","as_of + content"])"));
  EXPECT_TRUE(project["environments"]["additionalProperties"]["properties"].contains("flows"));
  EXPECT_FALSE(dump_json(project["environments"]).contains("\"required\""));
  EXPECT_EQ(project["connections"]["items"]["additionalProperties"], true);
}

TEST(JsonSchema, SaysTheParametersOfEachTemplate) {
  const Json schema = json_schema(sample::builtin());
  const Json& rule = schema["$defs"]["task"]["allOf"][2];
  EXPECT_EQ(rule["if"]["properties"]["template"]["const"], "merge_history");
  const Json& with = rule["then"]["properties"]["with"];
  EXPECT_EQ(with["required"], Json::parse(R"(["from","to"])"));
  EXPECT_EQ(with["additionalProperties"], false);
  EXPECT_EQ(with["properties"]["deletes"]["anyOf"][0]["enum"],
            Json::parse(R"(["ignore","by_absence"])"));
  EXPECT_EQ(with["properties"]["max_deleted_percent"]["anyOf"][0],
            Json::parse(R"({"type":"number","minimum":0.0,"maximum":100.0})"));
  EXPECT_EQ(with["properties"]["max_deleted_percent"]["default"], 20.0);
}

TEST(JsonSchema, DescribesEveryKey) {
  const Json schema = json_schema(sample::builtin());
  for (const auto& [kind, part] : schema["$defs"].items())
    for (const auto& [key, property] : part["properties"].items())
      EXPECT_FALSE(property.value("description", "").empty()) << kind << "." << key;
}

}  // namespace
}  // namespace weir::config
