#pragma once

/// Ids of tasks, as one written task may become several.

#include <string>
#include <string_view>

namespace weir::model {

/// The id of the task as its flow has it: `load` of `load[orders]` and of `load[orders].ingest`,
/// which for_each made. Any other id is its own.
inline std::string_view written_task_id(std::string_view task_id) {
  return task_id.substr(0, task_id.find('['));
}

/// The id without its value: `load.ingest` of `load[orders].ingest`, as it was before there was a
/// list. What people call all of them by.
inline std::string without_value(std::string_view task_id) {
  const auto open = task_id.find('[');
  const auto close = task_id.find(']', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos)
    return std::string(task_id);
  return std::string(task_id.substr(0, open)) + std::string(task_id.substr(close + 1));
}

}  // namespace weir::model
