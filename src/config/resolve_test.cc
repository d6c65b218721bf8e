#include "config/resolve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/sample_test_project.h"

namespace weir::config {
namespace {

using ::testing::HasSubstr;

const auto kEnvironment =
    make_fixed_environment({{"HOME", "/home/ann"}, {"EMPTY", ""}, {"MAX", "20"}});

Result<std::string> resolved(std::string_view text) {
  return resolve_text(text, {kEnvironment.get(), {{"day", "monday"}, {"NESTED", "${HOME}"}}});
}

TEST(ResolveText, TakesVarsThenEnvironmentThenDefault) {
  EXPECT_EQ(*resolved("a ${HOME}/x ${day}"), "a /home/ann/x monday");
  EXPECT_EQ(*resolved("${NONE:-b c}"), "b c");
  EXPECT_EQ(*resolved("${EMPTY:-b}${EMPTY}"), "b");
  EXPECT_EQ(*resolved("${NONE:-}"), "");
  EXPECT_EQ(*resolved("$HOME $ {x} }"), "$HOME $ {x} }");
}

TEST(ResolveText, TwoDollarsEscape) {
  EXPECT_EQ(*resolved("$${HOME} ${HOME}"), "${HOME} /home/ann");
  EXPECT_EQ(*resolved("$$ 5"), "$$ 5");
}

TEST(ResolveText, ValuesAreNotLookedThroughAgain) { EXPECT_EQ(*resolved("${NESTED}"), "${HOME}"); }

TEST(ResolveText, WhatCannotBeResolvedIsRefused) {
  const auto unset = resolved("s3://${BUCKET}/raw");
  ASSERT_FALSE(unset);
  EXPECT_EQ(unset.error().code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(unset.error().message, "variable 'BUCKET' is not set");
  EXPECT_THAT(unset.error().hint, HasSubstr("${BUCKET:-default}"));
  EXPECT_EQ(resolved("${BUCKET").error().message, "'${BUCKET' has no '}'");
  EXPECT_EQ(resolved("x${2}").error().message, "'${2}' names no variable");
  EXPECT_EQ(resolved("${}").error().message, "'${}' names no variable");
}

TEST(Resolve, NamesVariableFileAndLine) {
  const auto project = read_project(sample::files(), {.environment = "s3"});
  ASSERT_TRUE(project);
  const auto done =
      resolve(project->configuration, {kEnvironment.get(), {}}, project->places, sample::builtin());
  ASSERT_FALSE(done);
  ASSERT_EQ(done.error().size(), 1U);
  const Error& fault = done.error().front();
  EXPECT_EQ(fault.message, "layer 'raw': variable 'BUCKET' is not set");
  EXPECT_EQ(fault.place->file, "weir.yaml");
  EXPECT_EQ(fault.place->line, 19);
  EXPECT_EQ(fault.place->text,
            "  s3: {layers: [{name: raw, uri: \"s3://${BUCKET}/raw\"}]}   # overrides by name");
  EXPECT_EQ(fault.place->text.substr(static_cast<size_t>(fault.place->column - 1),
                                     static_cast<size_t>(fault.place->length)),
            "\"s3://${BUCKET}/raw\"");
}

TEST(Resolve, NamesTableKeyAndColumnOfARow) {
  auto project = read_project(sample::files());
  ASSERT_TRUE(project);
  project->configuration.flows[0].tasks[2].params["from"] = "landing/${WHAT}";
  project->configuration.connections[0].options["path"] = "${WHERE}";
  const auto done = resolve(project->configuration, {}, Places(), sample::builtin());
  ASSERT_FALSE(done);
  ASSERT_EQ(done.error().size(), 2U);
  EXPECT_EQ(to_terminal(done.error()[1]),
            "error: task 'ingest' of flow 'airports': variable 'WHAT' is not set\n"
            "  table task:  key airports, ingest; column params\n"
            "  help: set it in the environment or by --var WHAT=…, or write ${WHAT:-default}\n");
  EXPECT_THAT(to_terminal(done.error()[0]),
              HasSubstr("table connection:  key warehouse; column options"));
}

TEST(Resolve, AVariableBecomesTheParametersType) {
  auto files = sample::files();
  files["flows/airports.yaml"] = R"(flow: f
tasks:
  - {id: a, template: merge_history, with: {from: raw.a, to: "stage.${MAX}", max_deleted_percent: "${MAX}", mode: "${MAX}"}}
)";
  const auto project = read_project(files);
  ASSERT_TRUE(project);
  const auto done =
      resolve(project->configuration, {kEnvironment.get(), {}}, project->places, sample::builtin());
  ASSERT_TRUE(done);
  const Json& params = done->flows[0].tasks[0].params;
  EXPECT_EQ(params["max_deleted_percent"], Json(20));
  EXPECT_EQ(params["mode"], Json("20")) << "a text stays a text";
  EXPECT_EQ(params["to"], "stage.20");
}

TEST(Resolve, ConnectionsCanWait) {
  auto project = read_project(sample::files());
  ASSERT_TRUE(project);
  auto& c = project->configuration;
  c.connections[0].options["path"] = "${HOME}/db";
  c.layers[0].uri = "${HOME}/landing";
  const auto rest = resolve(c, {kEnvironment.get(), {}}, {}, {}, Scope::kAllButConnections);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->connections[0].options["path"], "${HOME}/db");
  EXPECT_EQ(rest->layers[0].uri, "/home/ann/landing");
  const auto connections = resolve(c, {kEnvironment.get(), {}}, {}, {}, Scope::kConnections);
  ASSERT_TRUE(connections);
  EXPECT_EQ(connections->connections[0].options["path"], "/home/ann/db");
  EXPECT_EQ(connections->layers[0].uri, "${HOME}/landing");
}

}  // namespace
}  // namespace weir::config
