#include <algorithm>

#include "base/base64.h"
#include "base/instant.h"
#include "server/routes.h"

namespace weir::server {

Json instant_json(int64_t at_us) { return at_us == 0 ? Json() : Json(format_instant(at_us)); }

std::unexpected<Error> not_served(std::string_view what) {
  return fail_with_hint(ErrorCode::kUnsupported, fmt::format("this server does not {}", what),
                        "it shows the catalog alone; the `weir` command does it");
}

Answer page_answer(std::string_view name, Json items, std::string next) {
  Json json = {{"next", next.empty() ? Json() : Json(std::move(next))}};
  json[std::string(name)] = std::move(items);
  return json_answer(json);
}

std::string write_cursor(const Json& place) {
  std::string text = base64(dump_json(place));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  std::erase(text, '=');
  return text;
}

Result<Json> read_cursor(const Call& call) {
  std::string text = call.text("cursor");
  if (text.empty()) return Json();
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  if (const auto bytes = from_base64(text)) {
    if (auto place = parse_json(*bytes); place && place->is_array()) return place;
  }
  return fail_with_hint(ErrorCode::kInvalidData, "the cursor is none that this server gave",
                        "take `next` of the page before; leave it out for the first page");
}

Result<std::string> read_name_cursor(const Call& call) {
  WEIR_ASSIGN(const Json place, read_cursor(call));
  if (place.is_null()) return std::string();
  if (place.size() == 1 && place[0].is_string()) return place[0].get<std::string>();
  return fail(ErrorCode::kInvalidData, "the cursor is none of this list");
}

std::string Call::text(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second.get<std::string>();
}

int64_t Call::number(const std::string& name, int64_t otherwise) const {
  const auto found = query.find(name);
  return found == query.end() ? otherwise : found->second.get<int64_t>();
}

}  // namespace weir::server
