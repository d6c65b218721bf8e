#pragma once

/// `for_each`: one task as written, one task a value. Each is a plain task with an id of its own,
/// `load[orders]`; whoever runs it knows nothing of the list. Here the list is read and the ids and
/// needs are made; texts get their values in resolve.h. Pure: what tables there are is told.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/for_each_patterns.h"
#include "config/places.h"
#include "model/configuration.h"

namespace weir::config {

/// One value of the list.
struct EachValue {
  std::string label;  ///< What stands in the brackets: letters, digits, `_`, `-` and `.`.
  Json value;         ///< A text, a number, a boolean or a map.
};

/// What becomes of a task for whose list no file was found, or too many.
struct StandIn {
  bool is_skipped = false;
  std::string refusal;  ///< Why it fails; empty where it does not.
};

struct Repeat {
  std::vector<EachValue> values;
  bool is_open = false;         ///< A pattern that nobody has looked up: the task stays as written.
  bool waits_for_all = false;   ///< Of another list it needs all tasks, not that of its own value.
  bool has_file_names = false;  ///< Of files that were found: within a glob they mean themselves.
  /// There is no task a value, but one of the id as written, which does nothing.
  std::optional<StandIn> stand_in = {};
};
/// By the id of the task as written.
using Repeats = std::map<std::string, Repeat>;

/// The lists of a flow, their variables resolved. All faults, with the place of the value.
Repeats read_repeats(const model::Flow& flow, const FoundValues& found, const Places& places,
                     Faults& faults);

/// What the text may be called in an id: itself where it is of letters, digits, `_`, `-` and `.`
/// and no longer than 100 bytes; else with `_` for the rest and the start of its SHA-256 behind, so
/// that two texts never share a label and no label depends on the other values.
std::string label_of_text(std::string_view text);

/// `load[orders]`
std::string each_task_id(const std::string& task_id, const std::string& label);

/// The value of `each`, `each.field` or `each.field:-default` (what stands in `${ }`); null where
/// the default is empty and stands in. kInvalidConfig for an unknown field, with did-you-mean, and
/// for `each` of a map.
Result<Json> value_of_each(std::string_view words, const Json& value);
/// Whether the words of a `${ }` are about the value of a list.
bool is_each(std::string_view words);

/// Turns the needs of tasks as written into those of the tasks that they became. A task of a list
/// waits for that of the same label; any other, and one that waits for all, for all of them.
class Needs {
 public:
  Needs(const Repeats& repeats, const Places& places, Faults& faults)
      : repeats_(repeats), places_(places), faults_(faults) {}

  /// `label` is nullptr for a task without a list of its own, or whose list is open.
  void take(model::Task& task, const std::string& written_id, const EachValue* label);

 private:
  const Repeats& repeats_;
  const Places& places_;
  Faults& faults_;
};

}  // namespace weir::config
