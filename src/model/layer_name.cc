#include "model/layer_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace weir::model {
namespace {

constexpr std::array<std::string_view, 6> kEngineSchemas = {
    "information_schema", "main", "memory", "pg_catalog", "system", "temp"};

}  // namespace

bool is_engine_schema(std::string_view layer) {
  std::string word(layer);
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kEngineSchemas, word) != kEngineSchemas.end();
}

}  // namespace weir::model
