#pragma once

/// `weir init`: a first project, made of what was found in a folder of files. Pure: facts in, files
/// out; reading the folder and inferring types is for who calls.

#include <map>
#include <string>
#include <vector>

#include "model/schema.h"

namespace weir::config {

/// One kind of source file that lies in the folder.
struct FoundSource {
  std::string name;       ///< Of the dataset, without layer: `airports`
  std::string pattern;    ///< `airports-*.csv`, below the landing folder
  std::string as_of;      ///< Pattern with a group `as_of`; empty: files are deltas, not snapshots.
  model::Schema columns;  ///< Empty: inferred at the first load.
  std::vector<std::string> key;  ///< Columns that look like the key; empty: none does.
  Json format = Json::object();  ///< `{"csv": {"header": true}}`
};

struct FirstProject {
  std::string name;
  std::string landing = "data/landing";  ///< Folder of the files, from the project's.
  std::vector<FoundSource> sources;      ///< Empty: a project to start from, with one example.
};

/// Texts by file name: weir.yaml, a flow per source, .gitignore. They load without faults and with
/// what was said; comments tell what to look at.
std::map<std::string, std::string> write_first_project(const FirstProject& first);

}  // namespace weir::config
