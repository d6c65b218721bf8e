#include "server/message.h"

#include <algorithm>

namespace weir::server {

size_t RequestHead::count(std::string_view name) const {
  return static_cast<size_t>(std::ranges::count(
      headers, name, [](const auto& header) { return std::string_view(header.first); }));
}

std::string_view RequestHead::header(std::string_view name) const {
  if (count(name) != 1) return {};
  return std::ranges::find(headers, name,
                           [](const auto& header) { return std::string_view(header.first); })
      ->second;
}

Answer json_answer(const Json& json, int status) {
  Answer answer;
  answer.status = status;
  answer.body = dump_json(json) + "\n";
  return answer;
}

}  // namespace weir::server
