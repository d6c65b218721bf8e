#pragma once

/// Where each thing of a configuration was said: in a YAML file by line and column, else in a row
/// by table, key and column. Checks that know only values ask here for the place to show.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/yaml.h"

namespace weir::config {

/// One thing of a configuration. `path` goes from the row's YAML key inwards: {"with", "from"}.
struct Subject {
  std::string table;             ///< `task`
  std::vector<std::string> key;  ///< {"airports", "ingest"}
  std::vector<std::string> path;

  Subject in(std::string step) const;
};

class Places {
 public:
  /// Remembers the node and all below it.
  void add(const Subject& subject, const Node& node);

  /// Of the value; of what is around it where that is not known; of the row where nothing is.
  Place of(const Subject& subject) const { return find(subject, false); }
  /// Of the word before the ':', for keys that should not be there.
  Place of_key(const Subject& subject) const { return find(subject, true); }
  /// The place in a file, if it came from one.
  std::optional<Place> in_file(const Subject& subject) const;

 private:
  /// Lines are shown when somebody asks: a place for each of many words on one long line would
  /// hold that line many times.
  struct Mark {
    std::shared_ptr<const Source> source;  // immutable, shared by all marks of a file
    int64_t line = 0;
    int64_t column = 0;
    int64_t length = 1;
  };
  struct Both {
    Mark key;
    Mark value;
  };
  static Mark mark_of(const Node& node);
  static Place place_at(const Mark& mark);
  Place find(const Subject& subject, bool is_key) const;
  std::map<std::string, Both> places_;
};

/// `task 'ingest' of flow 'airports'`, `layer 'raw'`
std::string label_of(const Subject& subject);

/// kInvalidConfig about the subject, at its place; the message starts with its label.
Error fault_of(const Places& places, const Subject& subject, const std::string& message,
               std::string hint = {});

}  // namespace weir::config
