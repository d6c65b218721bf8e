#include <cctype>

#include "secrets/secrets.h"

namespace weir::secrets {
namespace {

std::string variable_of(std::string_view id) {
  std::string name = "WEIR_SECRET_";
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    name += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return name;
}

class EnvironmentKeeper final : public Keeper {
 public:
  explicit EnvironmentKeeper(const Environment& environment) : environment_(environment) {}

  std::string name() const override { return "the environment"; }

  Result<std::string> fetch(const std::string& id, const Cancel& /*cancel*/) override {
    const std::string variable = variable_of(id);
    auto value = environment_.get(variable);
    if (!value) return fail(ErrorCode::kNotFound, "{} is not set", variable);
    return *std::move(value);
  }

  Result<std::optional<std::vector<std::string>>> list(const Cancel& /*cancel*/) override {
    return std::nullopt;  // A variable does not tell the id that it is for.
  }

 private:
  const Environment& environment_;
};

}  // namespace

std::unique_ptr<Keeper> make_environment_keeper(const Environment& environment) {
  return std::make_unique<EnvironmentKeeper>(environment);
}

}  // namespace weir::secrets
