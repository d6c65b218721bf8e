#pragma once

/// Environment variables as an input, so that a test gives its own.

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace weir {

class Environment {
 public:
  virtual ~Environment() = default;
  virtual std::optional<std::string> get(const std::string& name) const = 0;
};

std::unique_ptr<Environment> make_process_environment();
std::unique_ptr<Environment> make_fixed_environment(std::map<std::string, std::string> values);

}  // namespace weir
