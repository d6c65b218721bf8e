#pragma once

/// A place in a JSON value, as configuration names it: `$.data.items`, `$.rows[0]["odd name"]`,
/// `$.data[*].updated_at`, or a JSON pointer (RFC 6901), `/data/items`. It selects; it computes
/// nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace weir {

class JsonPath {
 public:
  /// `[*]`: every element of an array.
  struct Every {
    bool operator==(const Every&) const = default;
  };
  using Step = std::variant<std::string, int64_t, Every>;

  /// The whole value.
  JsonPath() = default;
  /// kInvalidConfig for what is no path, with its place.
  static Result<JsonPath> parse(std::string_view text);

  const std::vector<Step>& steps() const { return steps_; }
  bool has_every() const;
  /// As it was written.
  const std::string& text() const { return text_; }

  /// All values there, in order: none where something on the way is missing or of another kind.
  std::vector<const Json*> find_all(const Json& root) const;
  /// The first of them, or nullptr.
  const Json* find(const Json& root) const;

 private:
  std::vector<Step> steps_;
  std::string text_ = "$";
};

}  // namespace weir
