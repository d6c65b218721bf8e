#pragma once

/// The file triggers of a configuration, made ready: where their files lie and how names are
/// taken. Nothing is opened.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "arrivals/expectation.h"
#include "base/glob.h"
#include "base/pattern.h"
#include "base/result.h"
#include "model/configuration.h"
#include "model/file_trigger.h"

namespace weir::arrivals {

/// The folder that a URI means on this machine: `/data/landing`, `file:///data/landing`.
std::optional<std::string> local_folder(const std::string& uri);

enum class Role { kData, kManifest, kControl };

/// One pattern of a trigger.
struct Source {
  Role role = Role::kData;
  std::string member;  ///< Of the set; empty for the pattern.
  std::string layer;
  std::string uri;      ///< Root of the layer.
  std::string prefix;   ///< Where a listing begins.
  std::string written;  ///< URI and glob: by this it is known whether its old files are known.
  Glob glob;            ///< Over names below the root.
};

struct Trigger {
  std::string flow_id;
  model::FileTrigger settings;
  std::vector<Source> sources;  ///< Manifests and control files first: a name is of the first.
  std::optional<Pattern> key;
  std::optional<Expectation> expectation;

  /// The name below the source's root of a file that is told as `layer/name`, as a URI or as a
  /// path; empty where it lies elsewhere.
  static std::string name_below(const Source& source, const std::string& file);
  /// Whether the file lies below a root of it; what the patterns say of it is not asked.
  bool has_root_of(const std::string& file) const;

  int64_t settle_ms() const;  ///< Of all sources the longest.
  int64_t poll_ms() const;
};

/// A trigger that cannot be used, and why.
struct Fault {
  std::string flow_id;
  Error error;
};

struct Triggers {
  std::vector<Trigger> usable;
  std::vector<Fault> faults;
};

/// Those of the flows that are enabled; of one flow where `flow_id` is not empty. The
/// configuration is resolved: no `${VAR}` is left in it.
Triggers triggers_of(const model::Configuration& configuration, const std::string& base_folder,
                     const std::string& flow_id = "");

/// What a name's key is: the values of the groups, and them as one text. Nothing where the pattern
/// does not fit it or a group took no part.
struct Key {
  std::map<std::string, std::string> groups;
  std::string text;  ///< `20260105`, `20260105/eu`
};
Result<std::optional<Key>> key_of(const Trigger& trigger, const std::string& name_below_layer);

}  // namespace weir::arrivals
