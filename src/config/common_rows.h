#pragma once

/// The rows of a configuration that flows have in common, ready to be looked up by what one flow
/// names: so that what a run pins grows with its flow and not with the project.

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/places.h"
#include "model/configuration.h"
#include "storage/storage.h"

namespace weir::config {

/// The templates that a composite's tasks name; none for other kinds.
std::vector<std::string> templates_named(const model::TemplateRow& row);

class CommonRows {
 public:
  CommonRows() = default;
  /// As written: neither resolved nor expanded. Its flows are dropped.
  explicit CommonRows(model::Configuration rows);

  /// What a run of the flow can see but for datasets: the flow, the rules of notification that are
  /// about it, and all layers, connections, pools and defaults.
  model::Configuration around(model::Flow flow) const;

  /// The templates that the flow's tasks name, and those that their composites name, with their
  /// bodies, by name. Faults of read_templates.
  Checked<std::vector<model::TemplateRow>> templates_of(const model::Flow& flow,
                                                        storage::Storage& folder,
                                                        const Places& places) const;

  /// The datasets whose names stand anywhere in the texts of the flow or in the files: all that it
  /// can name, for names of data are never values of a run; maybe more. By name.
  std::vector<model::Dataset> mentioned_in(const model::Flow& flow,
                                           const std::map<std::string, std::string>& files) const;

 private:
  model::Configuration rows_;  ///< Without flows, datasets and templates.
  std::map<std::string, model::TemplateRow> templates_;
  std::vector<model::Dataset> datasets_;
  /// By the longest word of the name, in lower case.
  std::unordered_multimap<std::string, size_t> by_word_;
};

}  // namespace weir::config
