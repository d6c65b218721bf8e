#include "task/contract.h"

#include <gtest/gtest.h>

#include "task/define.h"

namespace weir::task {
namespace {

struct Params {
  std::string from;
};

Result<model::Outcome> do_nothing(const Params&, const Context&) { return model::Outcome{}; }

Template named(std::string name) {
  return Define<Params>(std::move(name), "Takes files away.")
      .required("from", &Params::from, "Folder to look in.")
      .example("One folder.", {{"from", "landing/old"}})
      .run(do_nothing);
}

std::string fault_of(const Template& made) {
  const auto status = check_contract(made);
  return status ? "" : to_line(status.error());
}

TEST(Contract, IsKeptByAWholeTemplate) { EXPECT_EQ(fault_of(named("purge_landing")), ""); }

TEST(Contract, NamesTheTemplateAndWhatItBreaks) {
  auto made = named("Purge-Landing");
  EXPECT_NE(fault_of(made).find("template 'Purge-Landing' has a name"), std::string::npos);

  made = named("purge_landing");
  made.summary = "Takes files away";
  EXPECT_NE(fault_of(made).find("'purge_landing' has no summary"), std::string::npos);

  made = named("purge_landing");
  made.params[0].doc = "";
  EXPECT_NE(fault_of(made).find("does not say what parameter 'from'"), std::string::npos);

  made = named("purge_landing");
  made.params.push_back(made.params[0]);
  EXPECT_NE(fault_of(made).find("declares parameter 'from' twice"), std::string::npos);

  made = named("purge_landing");
  made.params[0].name = "from folder";
  EXPECT_NE(fault_of(made).find("parameter 'from folder' of another form"), std::string::npos);

  made = named("purge_landing");
  made.examples.clear();
  EXPECT_NE(fault_of(made).find("shows no example"), std::string::npos);

  made = named("purge_landing");
  made.examples[0].params["form"] = "x";
  const auto wrong_example = fault_of(made);
  EXPECT_NE(wrong_example.find("form"), std::string::npos);
  EXPECT_NE(wrong_example.find("example 'One folder.' of template 'purge_landing'"),
            std::string::npos);

  made = named("purge_landing");
  made.run = nullptr;
  EXPECT_NE(fault_of(made).find("neither plans nor acts"), std::string::npos);

  made = named("purge_landing");
  made.operation = model::OperationKind::kCheck;
  EXPECT_NE(fault_of(made).find("which operation it plans"), std::string::npos);
}

TEST(JoinTemplates, PutsOwnOnesAmongTheBuiltinInOrderOfNames) {
  const std::vector<Template> builtin = {named("check"), named("transform")};
  const std::vector<Template> own = {named("zip_files"), named("purge_landing")};
  const auto all = join_templates(builtin, own);
  ASSERT_TRUE(all);
  std::vector<std::string> names;
  for (const auto& each : *all) names.push_back(each.name);
  EXPECT_EQ(names, (std::vector<std::string>{"check", "purge_landing", "transform", "zip_files"}));
}

TEST(JoinTemplates, RefusesANameThatIsTakenAndATemplateThatBreaksTheContract) {
  const std::vector<Template> builtin = {named("check")};
  std::vector<Template> own = {named("check")};
  auto all = join_templates(builtin, own);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code, ErrorCode::kInvalidConfig);
  EXPECT_EQ(all.error().message, "there are two templates 'check'");

  own = {named("purge_landing"), named("purge_landing")};
  EXPECT_FALSE(join_templates(builtin, own));

  own = {named("purge_landing")};
  own[0].summary = "";
  all = join_templates(builtin, own);
  ASSERT_FALSE(all);
  EXPECT_NE(all.error().message.find("'purge_landing' has no summary"), std::string::npos);
}

}  // namespace
}  // namespace weir::task
