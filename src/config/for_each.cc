#include "config/for_each.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <fmt/ranges.h>

#include "base/digest.h"
#include "base/nearest.h"

namespace weir::config {
namespace {

constexpr size_t kMostValues = kMostEachValues;
constexpr size_t kMostLabelBytes = 100;
constexpr size_t kDigestLetters = 8;
/// Fields that name a value, the first that is there.
constexpr std::array kNaming = {"id", "name", "table"};
const std::vector<std::string> kKinds = {"values", "tables", "files", "same_as"};

bool is_label_letter(char c) {
  return c == '_' || c == '-' || c == '.' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9');
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= kMostLabelBytes &&
         std::ranges::all_of(text, is_label_letter);
}

bool is_scalar(const Json& value) {
  return value.is_string() || value.is_number() || value.is_boolean();
}

std::string words_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : dump_json(value);
}

std::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(message), std::move(hint));
}

/// The label of a value: of a map by the field that names it.
Result<std::string> label_of_value(const Json& value) {
  const auto label = [](const Json& text, bool is_given) -> Result<std::string> {
    const std::string words = words_of(text);
    if (words.empty()) return refuse("it is empty", "write a word, or leave it out");
    if (is_given && !is_label(words))
      return refuse(fmt::format("its id '{}' cannot stand in the id of a task", words),
                    "an id has letters, digits, '_', '-' and '.', at most 100");
    return label_of_text(words);
  };
  if (is_scalar(value)) return label(value, false);
  if (!value.is_object())
    return refuse(fmt::format("it is {}", dump_json(value)), "write a text, a number or a map");
  for (const std::string name : kNaming) {
    const auto field = value.find(name);
    if (field == value.end()) continue;
    if (!is_scalar(*field))
      return refuse(fmt::format("its {} is {}", name, dump_json(*field)), "write a text");
    return label(*field, name == "id");
  }
  return refuse("nothing tells what it is called", "give it an id: {id: orders, …}");
}

/// Reads the lists of one flow; a list that is that of another task is followed.
class RepeatReader {
 public:
  RepeatReader(const model::Flow& flow, const FoundValues& found, const Places& places,
               Faults& faults)
      : flow_(flow), found_(found), places_(places), faults_(faults) {}

  Repeats read() {
    for (const auto& task : flow_.tasks)
      if (!task.for_each.is_null()) find(task, {});
    return std::move(repeats_);
  }

 private:
  void fault(const Subject& subject, const Error& error, const std::string& before = {}) {
    faults_.push_back(fault_of(places_, subject, before + error.message, error.hint));
  }

  /// `path`: tasks whose lists are being followed to this one.
  const Repeat& find(const model::Task& task, std::vector<std::string> path) {
    if (const auto known = repeats_.find(task.task_id); known != repeats_.end())
      return known->second;
    path.push_back(task.task_id);
    const Subject subject{"task", {flow_.flow_id, task.task_id}, {"for_each"}};
    Repeat repeat;
    if (task.for_each.is_array())
      take_values(subject, task.for_each, repeat);
    else
      take_map(subject, task, path, repeat);
    return repeats_[task.task_id] = std::move(repeat);
  }

  void take_map(const Subject& subject, const model::Task& task,
                const std::vector<std::string>& path, Repeat& repeat) {
    const Json& map = task.for_each;
    repeat.is_open = true;  // Until its values are known: a fault is told once.
    if (!map.is_object())
      return fault(subject,
                   refuse("for_each is no list", "write for_each: [orders, customers]").error());
    auto known = kKinds;
    known.emplace_back("wait_for");
    if (const Status status = check_for_each_keys(map, known); !status)
      return fault(subject, status.error());
    std::vector<std::string> said;
    for (const auto& kind : kKinds)
      if (map.contains(kind)) said.push_back(kind);
    if (said.size() != 1)
      return fault(subject,
                   refuse(said.empty() ? "for_each says no values"
                                       : fmt::format("for_each says {}", fmt::join(said, " and ")),
                          "it takes one of values, tables, files and same_as")
                       .error());
    take_wait(subject, map, repeat);
    if (said.front() == "values") {
      repeat.is_open = false;
      take_values(subject.in("values"), map["values"], repeat);
    } else if (said.front() == "tables") {
      take_tables(subject.in("tables"), task, repeat);
    } else if (said.front() == "files") {
      take_files(subject.in("files"), task, repeat);
    } else {
      take_same(subject.in("same_as"), map["same_as"], path, repeat);
    }
  }

  /// What was found is taken as it is; nothing at all is a list without tasks.
  void take_tables(const Subject& subject, const model::Task& task, Repeat& repeat) {
    if (const auto pattern = table_pattern(task); !pattern) return fault(subject, pattern.error());
    take_found(subject, task, repeat);
  }

  void take_files(const Subject& subject, const model::Task& task, Repeat& repeat) {
    const auto pattern = file_pattern(task);
    if (!pattern) return fault(subject, pattern.error());
    repeat.has_file_names = true;
    const auto found = found_.find({flow_.flow_id, task.task_id});
    if (found == found_.end()) return;
    const size_t count = found->second.size();
    std::string refusal = refusal_of(**pattern, count);
    if (refusal.empty() && count > 0) return take_found(subject, task, repeat);
    repeat.is_open = false;
    repeat.stand_in = {(*pattern)->if_none == IfNone::kSkip && count == 0, std::move(refusal)};
  }

  void take_found(const Subject& subject, const model::Task& task, Repeat& repeat) {
    const auto found = found_.find({flow_.flow_id, task.task_id});
    if (found == found_.end()) return;
    repeat.is_open = false;
    std::map<std::string, size_t> seen;
    const Json values(found->second);
    for (size_t i = 0; i < values.size(); ++i) take_value(subject, values, i, seen, repeat);
  }

  void take_wait(const Subject& subject, const Json& map, Repeat& repeat) {
    const Json word = map.value("wait_for", Json("same"));
    repeat.waits_for_all = word == "all";
    if (word != "all" && word != "same")
      fault(subject.in("wait_for"),
            refuse(fmt::format("'wait_for' is {}", dump_json(word)), "write same or all").error());
  }

  void take_same(const Subject& subject, const Json& word, const std::vector<std::string>& path,
                 Repeat& repeat) {
    const std::string name = word.is_string() ? word.get<std::string>() : "";
    std::vector<std::string> others;
    for (const auto& each : flow_.tasks)
      if (!each.for_each.is_null() && each.task_id != path.back()) others.push_back(each.task_id);
    const auto other = std::ranges::find(flow_.tasks, name, &model::Task::task_id);
    if (other == flow_.tasks.end() || other->for_each.is_null()) {
      const std::string guess = did_you_mean(name, others);
      const std::string all = others.empty()
                                  ? "no other task has one"
                                  : fmt::format("tasks with one: {}", fmt::join(others, ", "));
      return fault(subject, refuse(fmt::format("no task '{}' with a for_each", words_of(word)),
                                   guess.empty() ? all : guess)
                                .error());
    }
    if (std::ranges::find(path, name) != path.end())
      return fault(subject,
                   refuse(fmt::format("same_as goes round: {} → {}", fmt::join(path, " → "), name),
                          "give one of them values")
                       .error());
    const Repeat& same = find(*other, path);
    repeat.values = same.values;
    repeat.is_open = same.is_open;
    repeat.has_file_names = same.has_file_names;
    repeat.stand_in = same.stand_in;
  }

  void take_values(const Subject& subject, const Json& values, Repeat& repeat) {
    if (!values.is_array())
      return fault(
          subject,
          refuse(fmt::format("'values' is {}", dump_json(values)), "write a list").error());
    if (values.empty())
      return fault(subject,
                   refuse("for_each has no value", "name one, or take for_each away").error());
    if (values.size() > kMostValues)
      return fault(subject, refuse(fmt::format("for_each has {} values, more than {}",
                                               values.size(), kMostValues),
                                   "split the flow")
                                .error());
    std::map<std::string, size_t> seen;
    for (size_t i = 0; i < values.size(); ++i)
      take_value(subject.in(std::to_string(i)), values, i, seen, repeat);
  }

  void take_value(const Subject& subject, const Json& values, size_t i,
                  std::map<std::string, size_t>& seen, Repeat& repeat) {
    const auto label = label_of_value(values[i]);
    const std::string which = fmt::format("value {} of for_each: ", i + 1);
    if (!label) return fault(subject, label.error(), which);
    const std::string id = each_task_id(subject.key.back(), *label);
    const auto [first, is_new] = seen.emplace(*label, i);
    if (!is_new) {
      const bool is_same = values[first->second] == values[i];
      fault(subject,
            refuse(is_same ? fmt::format("it is value {} again", first->second + 1)
                           : fmt::format("it makes the id '{}', as value {} does", id,
                                         first->second + 1),
                   is_same ? "take one of them away" : "give both an id: {id: …}")
                .error(),
            which);
      return;
    }
    if (const Status name = model::check_name(id, "task"); !name)
      return fault(subject, name.error(), which);
    repeat.values.push_back({*label, values[i]});
  }

  const model::Flow& flow_;
  const FoundValues& found_;
  const Places& places_;
  Faults& faults_;
  Repeats repeats_;
};

}  // namespace

Repeats read_repeats(const model::Flow& flow, const FoundValues& found, const Places& places,
                     Faults& faults) {
  return RepeatReader(flow, found, places, faults).read();
}

std::string label_of_text(std::string_view text) {
  if (is_label(text)) return std::string(text);
  constexpr size_t kMostKept = kMostLabelBytes - 1 - kDigestLetters;
  std::string label;
  for (const char c : text) {
    const bool is_rest_of_letter = (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
    if (is_rest_of_letter) continue;  // One `_` a letter of UTF-8.
    label += is_label_letter(c) ? c : '_';
    if (label.size() == kMostKept) break;
  }
  return label + "-" + sha256_hex(text).substr(0, kDigestLetters);
}

std::string each_task_id(const std::string& task_id, const std::string& label) {
  return fmt::format("{}[{}]", task_id, label);
}

bool is_each(std::string_view words) {
  return words == "each" || words.starts_with("each.") || words.starts_with("each:-");
}

Result<Json> value_of_each(std::string_view words, const Json& value) {
  const auto mark = words.find(":-");
  const std::string name(words.substr(0, mark));
  const auto standing_in = [&]() -> Json {
    const std::string_view otherwise = words.substr(mark + 2);
    return otherwise.empty() ? Json() : Json(std::string(otherwise));
  };
  const bool has_default = mark != std::string_view::npos;
  if (name == "each") {
    if (!value.is_object()) return value;
    std::vector<std::string> fields;
    for (const auto& [field, content] : value.items()) fields.push_back(field);
    return refuse("'${each}' is a map here",
                  fmt::format("write ${{each.{}}}; fields: {}", fields.empty() ? "x" : fields[0],
                              fmt::join(fields, ", ")));
  }
  const std::string field = name.substr(std::string_view("each.").size());
  if (!value.is_object())
    return refuse(fmt::format("'${{{}}}': the values of for_each are no maps", name),
                  "write ${each}");
  const auto found = value.find(field);
  const bool is_empty = found == value.end() || found->is_null() || *found == "";
  if (is_empty && has_default) return standing_in();
  if (found != value.end()) return *found;
  std::vector<std::string> fields;
  for (const auto& [known, content] : value.items()) fields.push_back(known);
  const std::string guess = did_you_mean(field, fields);
  return refuse(fmt::format("'${{{}}}': the value has no field '{}'", name, field),
                (guess.empty() ? fmt::format("fields: {};", fmt::join(fields, ", ")) : guess) +
                    fmt::format(" ${{{}:-}} leaves out what is not there", name));
}

void Needs::take(model::Task& task, const std::string& written_id, const EachValue* label) {
  std::vector<std::string> needs;
  for (const auto& need : task.needs) {
    const auto other = repeats_.find(need);
    const bool is_one = other == repeats_.end() || other->second.is_open || other->second.stand_in;
    if (is_one || need == written_id) {
      needs.push_back(need);
      continue;
    }
    const auto& values = other->second.values;
    const bool waits_for_all = label == nullptr || repeats_.at(written_id).waits_for_all;
    if (waits_for_all) {
      for (const auto& value : values) needs.push_back(each_task_id(need, value.label));
    } else if (std::ranges::find(values, label->label, &EachValue::label) != values.end()) {
      needs.push_back(each_task_id(need, label->label));
    } else {
      faults_.push_back(fault_of(
          places_, {"task", {task.flow_id, task.task_id}, {"needs"}},
          fmt::format("it needs '{}' of the same value, and that has no '{}'", need, label->label),
          fmt::format("give both the same values (same_as: {}), or write wait_for: all "
                      "to wait for every '{}'",
                      need, need)));
    }
  }
  std::ranges::sort(needs);
  task.needs = std::move(needs);
}

}  // namespace weir::config
