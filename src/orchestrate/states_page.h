#pragma once

/// The state machine of runs and of their tasks, drawn from its own table of transitions.

#include <string>

namespace weir::orchestrate {

/// Both machines as Mermaid diagrams in Markdown: docs/reference/states.md.
std::string states_page();

}  // namespace weir::orchestrate
