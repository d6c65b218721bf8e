#pragma once

/// The files of users' templates: read, digested and, for composites, taken apart.

#include "config/places.h"
#include "model/configuration.h"
#include "storage/storage.h"

namespace weir::config {

/// The same configuration with body and sha256 of each template that has a location: for `sql`,
/// `spark_script` and `command` `{"text": …}`, for `composite` its list of tasks. All faults:
/// a file that is not there or is no such template, and a sha256 in the row that is not the file's.
Checked<model::Configuration> read_templates(model::Configuration configuration,
                                             storage::Storage& folder, const Places& places);

/// The same without bodies that stand in files: what rows and YAML say.
model::Configuration without_file_bodies(model::Configuration configuration);

}  // namespace weir::config
