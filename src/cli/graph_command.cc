#include <algorithm>
#include <ostream>

#include "base/printable.h"
#include "cli/commands.h"
#include "cli/project.h"
#include "cli/shown_run.h"
#include "cli/table_text.h"
#include "orchestrate/task_order.h"

namespace weir::cli {
namespace {

struct GraphFlags {
  std::string flow;
  std::string format = "text";
  std::string run;
};

/// A task as a node, with its state where a run is shown.
struct Node {
  const model::Task* task = nullptr;
  std::string state;
};

bool has_condition(const model::Task& task) {
  return task.run_if != model::RunIf::kAllSucceeded && !task.needs.empty();
}

/// The lines of its box.
std::vector<std::string> box_of(const Node& node) {
  std::vector<std::string> lines = {node.task->task_id, node.task->template_id};
  if (!node.task->pool.empty()) lines.push_back("pool " + node.task->pool);
  if (!node.state.empty()) lines.push_back(node.state);
  return lines;
}

std::string colour_of(const std::string& state) {
  if (state == "succeeded") return "#c8e6c9";
  if (state == "failed") return "#ffcdd2";
  if (state == "running") return "#bbdefb";
  if (state == "held") return "#ffe0b2";
  return state.empty() ? "" : "#eeeeee";
}

std::string text_of(const std::vector<Node>& nodes, bool has_run) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [task, state] : nodes) {
    std::vector<std::string> row = {
        task->task_id, task->template_id, fmt::format("{}", fmt::join(task->needs, ", ")),
        has_condition(*task) ? std::string(to_text(task->run_if)) : "", task->pool};
    if (has_run) row.push_back(state);
    rows.push_back(std::move(row));
  }
  std::vector<std::string> header = {"task", "template", "needs", "run if", "pool"};
  if (has_run) header.emplace_back("state");
  return table_text(header, rows);
}

std::string in_quotes(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string dot_of(const std::string& flow_id, const std::vector<Node>& nodes) {
  std::string text =
      fmt::format("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", in_quotes(flow_id));
  for (const auto& node : nodes) {
    std::string label;
    for (const auto& line : box_of(node)) {
      const std::string quoted = in_quotes(line);
      label += (label.empty() ? "" : "\\n") + quoted.substr(1, quoted.size() - 2);
    }
    const std::string colour = colour_of(node.state);
    text +=
        fmt::format("  {} [label=\"{}\"{}];\n", in_quotes(node.task->task_id), label,
                    colour.empty() ? "" : fmt::format(", style=filled, fillcolor=\"{}\"", colour));
  }
  for (const auto& node : nodes)
    for (const auto& need : node.task->needs)
      text += fmt::format("  {} -> {}{};\n", in_quotes(need), in_quotes(node.task->task_id),
                          has_condition(*node.task)
                              ? fmt::format(" [label=\"{}\"]", to_text(node.task->run_if))
                              : "");
  return text + "}\n";
}

/// Between quotes of Mermaid, where `#` begins a code.
std::string mermaid_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    const bool is_plain = std::string_view("\"#<>&").find(c) == std::string_view::npos;
    if (is_plain)
      safe += c;
    else
      safe += fmt::format("#{};", static_cast<int>(c));
  }
  return safe;
}

std::string mermaid_of(const std::vector<Node>& nodes) {
  std::string text = "flowchart LR\n";
  // Names of tasks with for_each are no names of nodes: these are numbers.
  const auto number_of = [&](const std::string& task_id) {
    const auto found =
        std::ranges::find(nodes, task_id, [](const Node& each) { return each.task->task_id; });
    return found - nodes.begin();
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::string label;
    for (const auto& line : box_of(nodes[i]))
      label += (label.empty() ? "" : "<br>") + mermaid_text(line);
    text += fmt::format("  t{}[\"{}\"]\n", i, label);
    if (const std::string colour = colour_of(nodes[i].state); !colour.empty())
      text += fmt::format("  style t{} fill:{}\n", i, colour);
  }
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const auto& need : nodes[i].task->needs)
      text += fmt::format(
          "  t{} -->{} t{}\n", number_of(need),
          has_condition(*nodes[i].task) ? fmt::format("|{}|", to_text(nodes[i].task->run_if)) : "",
          i);
  return text;
}

Json json_of(const std::vector<Node>& nodes) {
  Json tasks = Json::array();
  for (const auto& [task, state] : nodes)
    tasks.push_back({{"task_id", task->task_id},
                     {"template_id", task->template_id},
                     {"needs", task->needs},
                     {"run_if", to_text(task->run_if)},
                     {"pool", task->pool},
                     {"state", state.empty() ? Json() : Json(state)}});
  return tasks;
}

Result<int> graph(Session& session, const GraphFlags& flags) {
  model::Configuration configuration;
  std::vector<catalog::TaskRun> rows;
  std::string run_id;
  if (flags.run.empty()) {
    WEIR_ASSIGN(configuration, resolved_configuration(session, Unseen::kAsWritten));
  } else {
    WEIR_ASSIGN(catalog::Catalog * catalog, session.catalog(false));
    WEIR_ASSIGN(const auto run, find_run(*catalog, flags.run == "newest" ? flags.flow : flags.run));
    if (run.flow_id != flags.flow)
      return fail_with_hint(ErrorCode::kInvalidConfig,
                            fmt::format("run {} is one of flow '{}'", run.run_id, run.flow_id),
                            fmt::format("`weir runs {}` lists those of it", flags.flow));
    WEIR_ASSIGN(rows, catalog->task_runs(run.run_id));
    WEIR_ASSIGN(auto pinned, pin_version(session, run.config_hash));
    configuration = std::move(pinned.configuration);
    run_id = run.run_id;
  }
  WEIR_ASSIGN(const model::Flow* flow, find_flow(configuration, flags.flow));
  std::vector<Node> nodes;
  for (const model::Task* task : orchestrate::in_order_of_needs(*flow)) {
    const auto row = std::ranges::find(rows, task->task_id, &catalog::TaskRun::task_id);
    nodes.push_back({task, row == rows.end() ? "" : std::string(to_text(row->state))});
  }
  if (session.wants_json()) {
    session.give({{"flow_id", flow->flow_id},
                  {"run_id", run_id.empty() ? Json() : Json(run_id)},
                  {"tasks", json_of(nodes)}});
    return 0;
  }
  std::string text;
  if (flags.format == "dot")
    text = dot_of(flow->flow_id, nodes);
  else if (flags.format == "mermaid")
    text = mermaid_of(nodes);
  else
    text = text_of(nodes, !run_id.empty());
  *session.wiring().out << printable(text);
  return 0;
}

}  // namespace

void add_graph_command(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand(
      "graph", "The tasks of a flow, what they need, when they run, their pools");
  auto flags = std::make_shared<GraphFlags>();
  command->add_option("flow", flags->flow, "Flow")->required();
  command->add_option("--format", flags->format, "text, dot (Graphviz) or mermaid")
      ->check(CLI::IsMember({"text", "dot", "mermaid"}));
  command->add_option("--run", flags->run,
                      "With the states of this run (`newest`: of the newest), and the tasks as it "
                      "has them");
  command->callback([&chosen, flags] {
    chosen.action = [flags](Session& session) { return graph(session, *flags); };
  });
}

}  // namespace weir::cli
