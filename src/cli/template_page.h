#pragma once

/// What a template says of itself, as a page (Markdown) and as JSON. The generated reference and
/// `weir template show` are this.

#include <string>

#include "task/template.h"

namespace weir::cli {

std::string template_page(const task::Template& made);
Json template_json(const task::Template& made);

}  // namespace weir::cli
