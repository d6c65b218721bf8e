#pragma once

/// ~/.aws/credentials and ~/.aws/config ("Shared config and credentials files").

#include <map>
#include <string>

#include "base/environment.h"
#include "base/result.h"

namespace weir::net::credentials {

using Profile = std::map<std::string, std::string>;

struct Profiles {
  std::map<std::string, Profile> by_name;
  std::string places;  ///< The files that were looked for, for messages.
};

/// What both files say; keys of `credentials` win. Files that are not there are empty.
/// kInvalidConfig names file and line of what is no setting.
Result<Profiles> read_profiles(const Environment& environment);

/// The given one, AWS_PROFILE, or `default`.
std::string profile_name(const Environment& environment, const std::string& given);

}  // namespace weir::net::credentials
