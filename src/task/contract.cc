#include "task/contract.h"

#include <algorithm>
#include <set>

namespace weir::task {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.front() >= 'a' && text.front() <= 'z' &&
         std::ranges::all_of(text, [](char each) {
           return (each >= 'a' && each <= 'z') || (each >= '0' && each <= '9') || each == '_';
         });
}

std::unexpected<Error> broken(const Template& made, std::string_view what, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("template '{}' {}", made.name, what),
                        std::move(hint));
}

Status check_params(const Template& made) {
  std::set<std::string> names;
  for (const auto& param : made.params) {
    const std::string which = fmt::format("parameter '{}'", param.name);
    if (!is_name(param.name))
      return broken(made, fmt::format("has a {} of another form", which),
                    "names are made of a-z, 0-9 and _");
    if (!names.insert(param.name).second)
      return broken(made, fmt::format("declares {} twice", which), "give each its own name");
    if (!param.doc.ends_with('.'))
      return broken(made, fmt::format("does not say what {} means", which),
                    "its text is a sentence that ends with a period");
  }
  return {};
}

Status check_examples(const Template& made) {
  if (made.examples.empty())
    return broken(made, "shows no example", "add one with .example(title, params)");
  for (const auto& example : made.examples) {
    if (auto lint = made.lint(example.params); !lint)
      return std::unexpected(std::move(lint).error().while_doing(
          fmt::format("checking example '{}' of template '{}'", example.title, made.name)));
  }
  return {};
}

}  // namespace

Status check_contract(const Template& made) {
  if (!is_name(made.name))
    return broken(made, "has a name of another form", "names are made of a-z, 0-9 and _");
  if (!made.summary.ends_with('.'))
    return broken(made, "has no summary", "the summary is one sentence that ends with a period");
  if ((made.plan == nullptr) == (made.run == nullptr))
    return broken(made, "neither plans nor acts, or both", "end the definition with .plan or .run");
  if ((made.plan != nullptr) != made.operation.has_value())
    return broken(made, "does not say which operation it plans", "give .plan the operation's kind");
  WEIR_TRY(check_params(made));
  return check_examples(made);
}

Result<std::vector<Template>> join_templates(std::span<const Template> builtin,
                                             std::span<const Template> own) {
  std::vector<Template> all(builtin.begin(), builtin.end());
  for (const auto& each : own) {
    WEIR_TRY(check_contract(each));
    if (std::ranges::find(all, each.name, &Template::name) != all.end())
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("there are two templates '{}'", each.name),
                            "rename the file and the function of your own one");
    all.push_back(each);
  }
  std::ranges::sort(all, {}, &Template::name);
  return all;
}

}  // namespace weir::task
