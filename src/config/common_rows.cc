#include "config/common_rows.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "base/pattern.h"
#include "config/template_files.h"

namespace weir::config {
namespace {

/// The letters, digits and '_' of ASCII that stand together, in lower case. Of a name they are what
/// no way of quoting it changes.
template <typename Take>
void words_of(std::string_view text, Take take) {
  std::string word;
  const auto end = [&] {
    if (!word.empty()) take(word);
    word.clear();
  };
  for (const char c : text) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_letter || (c >= '0' && c <= '9') || c == '_')
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    else
      end();
  }
  end();
}

/// Of a dataset's name. Empty where it has none, for which no text can be looked through.
std::vector<std::string> words_of_name(const model::Dataset& dataset) {
  std::vector<std::string> words;
  words_of(dataset.name.name, [&](const std::string& word) { words.push_back(word); });
  std::ranges::stable_sort(words, std::ranges::greater(), &std::string::size);
  return words;
}

class Mentions {
 public:
  std::unordered_set<std::string> words;

  void text(std::string_view text) {
    constexpr std::string_view kRejected = "__rejected";
    words_of(text, [&](const std::string& word) {
      words.insert(word);
      if (word.ends_with(kRejected)) words.insert(word.substr(0, word.size() - kRejected.size()));
    });
  }
  void json(const Json& json) {
    if (json.is_string()) text(json.get_ref<const std::string&>());
    if (!json.is_structured()) return;
    for (const auto& [key, value] : json.items()) {
      if (json.is_object()) text(key);
      this->json(value);
    }
  }
};

bool is_about(const model::NotificationRule& rule, const std::string& flow_id) {
  return rule.flows.empty() || std::ranges::any_of(rule.flows, [&](const std::string& glob) {
           const auto fits = glob_matches(glob, flow_id);
           return !fits || *fits;  // lint says what is wrong with it
         });
}

}  // namespace

std::vector<std::string> templates_named(const model::TemplateRow& row) {
  std::vector<std::string> names;
  if (row.kind != "composite" || !row.body.is_array()) return names;
  for (const auto& sub : row.body)
    if (sub.is_object() && sub.contains("template") && sub["template"].is_string())
      names.push_back(sub["template"].get<std::string>());
  return names;
}

CommonRows::CommonRows(model::Configuration rows) : datasets_(std::move(rows.datasets)) {
  for (auto& row : rows.templates) templates_.emplace(row.template_id, std::move(row));
  rows.flows.clear();
  rows.flows.shrink_to_fit();
  rows.datasets.clear();
  rows.templates.clear();
  rows_ = std::move(rows);
  for (size_t i = 0; i < datasets_.size(); ++i) {
    const auto words = words_of_name(datasets_[i]);
    by_word_.emplace(words.empty() ? "" : words.front(), i);
  }
}

model::Configuration CommonRows::around(model::Flow flow) const {
  model::Configuration seen = rows_;
  std::erase_if(seen.notifications,
                [&](const auto& rule) { return !is_about(rule, flow.flow_id); });
  seen.flows.push_back(std::move(flow));
  return seen;
}

Checked<std::vector<model::TemplateRow>> CommonRows::templates_of(const model::Flow& flow,
                                                                  storage::Storage& folder,
                                                                  const Places& places) const {
  std::set<std::string> names;
  for (const auto& task : flow.tasks) names.insert(task.template_id);
  std::map<std::string, model::TemplateRow> taken;
  // A composite names others, which name none.
  while (!names.empty()) {
    model::Configuration next;
    for (const auto& name : names)
      if (const auto row = templates_.find(name); row != templates_.end() && !taken.contains(name))
        next.templates.push_back(row->second);
    names.clear();
    auto read = read_templates(std::move(next), folder, places);
    if (!read) return std::unexpected(std::move(read).error());
    for (auto& row : read->templates) {
      for (auto& name : templates_named(row)) names.insert(std::move(name));
      taken.emplace(row.template_id, std::move(row));
    }
  }
  std::vector<model::TemplateRow> rows;
  for (auto& [name, row] : taken) rows.push_back(std::move(row));
  return rows;
}

std::vector<model::Dataset> CommonRows::mentioned_in(
    const model::Flow& flow, const std::map<std::string, std::string>& files) const {
  Mentions mentions;
  mentions.json(model::to_json(flow));
  for (const auto& [path, text] : files) mentions.text(text);
  mentions.words.insert("");
  std::set<size_t> found;
  for (const auto& word : mentions.words) {
    const auto [first, last] = by_word_.equal_range(word);
    for (auto each = first; each != last; ++each) found.insert(each->second);
  }
  std::vector<model::Dataset> datasets;
  for (const size_t i : found) {
    const auto words = words_of_name(datasets_[i]);
    const bool is_mentioned =
        std::ranges::all_of(words, [&](const auto& word) { return mentions.words.contains(word); });
    if (is_mentioned) datasets.push_back(datasets_[i]);
  }
  return datasets;
}

}  // namespace weir::config
