#include "config/environment_overrides.h"

#include <algorithm>

#include "base/nearest.h"
#include "config/declarations.h"

namespace weir::config {
namespace {

void merge_map(Node& base, const Node& changes);

const NamedList* named_list(const std::string& key) {
  const auto found = std::ranges::find(named_lists(), key, &NamedList::key);
  return found == named_lists().end() ? nullptr : &*found;
}

Node* find_named(Node& list, const std::string& identity, const std::string& name) {
  for (auto& item : list.items) {
    const Node* found = item.find(identity);
    if (found != nullptr && found->text == name) return &item;
  }
  return nullptr;
}

void merge_list(Node& base, const Node& changes, const std::string& identity) {
  for (const auto& change : changes.items) {
    const Node* name = change.find(identity);
    Node* same = name == nullptr ? nullptr : find_named(base, identity, name->text);
    if (same != nullptr)
      merge_map(*same, change);
    else
      base.items.push_back(change);
  }
}

void merge_entry(Node& base, const Node::Entry& change) {
  const std::string& key = change.key.text;
  Node* there = base.find(key);
  if (change.value.is_null()) {
    std::erase_if(base.entries, [&](const Node::Entry& entry) { return entry.key.text == key; });
    return;
  }
  if (there == nullptr) {
    base.entries.push_back(change);
    return;
  }
  const NamedList* list = named_list(key);
  if (list != nullptr && there->is_list() && change.value.is_list())
    merge_list(*there, change.value, list->identity);
  else if (there->is_map() && change.value.is_map())
    merge_map(*there, change.value);
  else
    *there = change.value;
}

void merge_map(Node& base, const Node& changes) {
  for (const auto& change : changes.entries) merge_entry(base, change);
}

void merge_flow(const Node& change, std::vector<Node>& flows, Faults& faults) {
  const Node* id = change.find("flow");
  if (id == nullptr) return;  // said by the reader
  std::vector<std::string> names;
  for (auto& flow : flows) {
    const Node* name = flow.find("flow");
    if (name->text == id->text) {
      merge_map(flow, change);
      return;
    }
    names.push_back(name->text);
  }
  faults.push_back(Error{ErrorCode::kInvalidConfig,
                         fmt::format("environment changes flow '{}', which is not there", id->text),
                         {},
                         did_you_mean(id->text, names),
                         place_of(*id)});
}

}  // namespace

void apply_environment(const Node& overrides, Node& project, std::vector<Node>& flows,
                       Faults& faults) {
  for (const auto& change : overrides.entries) {
    if (change.key.text != "flows")
      merge_entry(project, change);
    else
      for (const auto& flow : change.value.items) merge_flow(flow, flows, faults);
  }
}

}  // namespace weir::config
