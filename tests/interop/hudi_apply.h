#pragma once

/// `hudi_tool apply FOLDER`: one JSON object a line comes in, one goes out: what the suites of
/// other engines ask weir to do with the table in that folder.

#include <string>

namespace weir {

int apply_lines(const std::string& folder);

}  // namespace weir
