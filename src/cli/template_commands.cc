#include <ostream>

#include "base/nearest.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/table_text.h"
#include "cli/template_page.h"

namespace weir::cli {
namespace {

Result<int> list_templates(Session& session) {
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const auto& each : session.wiring().templates) {
    rows.push_back({each.name, "builtin", each.summary});
    list.push_back({{"template_id", each.name}, {"kind", "builtin"}, {"summary", each.summary}});
  }
  if (auto project = open_configuration(session)) {
    for (const auto& row : project->configuration.templates) {
      rows.push_back({row.template_id, row.kind, row.description});
      list.push_back(
          {{"template_id", row.template_id}, {"kind", row.kind}, {"summary", row.description}});
    }
  }
  if (session.wants_json())
    session.give({{"templates", std::move(list)}});
  else
    *session.wiring().out << table_text({"template", "kind", "what it does"}, rows, 90);
  return 0;
}

Result<int> show_template(Session& session, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& each : session.wiring().templates) {
    names.push_back(each.name);
    if (each.name != name) continue;
    if (session.wants_json())
      session.give(template_json(each));
    else
      *session.wiring().out << template_page(each);
    return 0;
  }
  if (auto project = open_configuration(session)) {
    if (const auto* row = project->configuration.find_template(name)) {
      *session.wiring().out << fmt::format("{} ({})\n{}\nlocation: {}\nparameters: {}\n",
                                           row->template_id, row->kind, row->description,
                                           row->location, dump_json_pretty(row->params_schema));
      return 0;
    }
    for (const auto& row : project->configuration.templates) names.push_back(row.template_id);
  }
  return fail_with_hint(ErrorCode::kInvalidConfig, fmt::format("there is no template '{}'", name),
                        did_you_mean(name, names));
}

}  // namespace

void add_template_commands(CLI::App& app, Chosen& chosen) {
  auto* group = app.add_subcommand("template", "Templates: what tasks are made of");
  group->require_subcommand(1);
  auto* list = group->add_subcommand("list", "List them");
  list->callback([&chosen] { chosen.action = list_templates; });
  auto* show = group->add_subcommand("show", "Parameters, defaults and examples of one");
  auto name = std::make_shared<std::string>();
  show->add_option("template", *name, "Name")->required();
  show->callback([&chosen, name] {
    chosen.action = [name](Session& session) { return show_template(session, *name); };
  });
}

}  // namespace weir::cli
