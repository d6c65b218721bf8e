#include "cli/template_page.h"

namespace weir::cli {
namespace {

std::string type_text(const task::Param& param) {
  std::string text(to_text(param.type));
  if (param.type == task::ParamType::kChoice)
    text = fmt::format("{}", fmt::join(param.choices, " \\| "));
  if (param.least && param.greatest) text += fmt::format(" {}–{}", *param.least, *param.greatest);
  return text;
}

std::string default_text(const task::Param& param) {
  if (param.is_required) return "required";
  if (param.otherwise.is_null()) return "";
  return param.otherwise.is_string() ? param.otherwise.get<std::string>()
                                     : dump_json(param.otherwise);
}

}  // namespace

std::string template_page(const task::Template& made) {
  std::string page = fmt::format(
      "# {}\n\n{}\n\n| Parameter | Type | Default | Meaning |\n| --- | --- | --- | --- |\n",
      made.name, made.summary);
  for (const auto& param : made.params)
    page += fmt::format("| `{}` | {} | {} | {} |\n", param.name, type_text(param),
                        default_text(param), param.doc);
  for (const auto& example : made.examples) {
    page += fmt::format("\n{}\n\n```yaml\n- id: {}\n  template: {}\n  with: {}\n```\n",
                        example.title, made.name, made.name, dump_json(example.params));
  }
  return page;
}

Json template_json(const task::Template& made) {
  Json params = Json::array();
  for (const auto& param : made.params) {
    Json item = {{"name", param.name},
                 {"type", to_text(param.type)},
                 {"required", param.is_required},
                 {"default", param.otherwise},
                 {"doc", param.doc}};
    if (param.type == task::ParamType::kChoice) item["choices"] = param.choices;
    if (param.least) item["least"] = *param.least;
    if (param.greatest) item["greatest"] = *param.greatest;
    params.push_back(std::move(item));
  }
  Json examples = Json::array();
  for (const auto& example : made.examples)
    examples.push_back({{"title", example.title}, {"with", example.params}});
  return {{"template_id", made.name},
          {"kind", "builtin"},
          {"summary", made.summary},
          {"params", std::move(params)},
          {"examples", std::move(examples)}};
}

}  // namespace weir::cli
