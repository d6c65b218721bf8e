#include "typed_row.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>
#include <vector>

namespace weir::testing {
namespace {

using model::CanonicalWriter;

void write_value(CanonicalWriter& out, const Json& value);

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

void write_number(CanonicalWriter& out, const std::string& text) {
  // Negative all along: the least number of 128 bits has no positive twin.
  __extension__ __int128 unscaled = 0;
  int scale = 0;
  bool is_behind_point = false;
  for (const char c : text) {
    if (c == '-') continue;
    if (c == '.') {
      is_behind_point = true;
      continue;
    }
    unscaled = unscaled * 10 - (c - '0');
    scale += is_behind_point ? 1 : 0;
  }
  out.decimal(text.starts_with('-') ? unscaled : -unscaled, scale);
}

void write_uuid(CanonicalWriter& out, std::string text) {
  std::erase(text, '-');
  out.uuid(from_hex(text));
}

int write_fields(CanonicalWriter& out, const Json& fields) {
  int count = 0;
  // Json keeps keys sorted by their bytes, as the form wants them.
  for (const auto& [name, value] : fields.items()) {
    if (value.is_null()) continue;
    out.name(name);
    write_value(out, value);
    ++count;
  }
  return count;
}

void write_struct(CanonicalWriter& out, const Json& fields) {
  CanonicalWriter inside;
  out.structure(static_cast<uint64_t>(write_fields(inside, fields)));
  out.raw(inside.bytes());
}

void write_map(CanonicalWriter& out, const Json& pairs) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const Json& pair : pairs) {
    CanonicalWriter key;
    CanonicalWriter value;
    write_value(key, pair[0]);
    write_value(value, pair[1]);
    encoded.emplace_back(key.bytes(), value.bytes());
  }
  std::ranges::sort(encoded);
  out.map(encoded.size());
  for (const auto& [key, value] : encoded) {
    out.raw(key);
    out.raw(value);
  }
}

void write_value(CanonicalWriter& out, const Json& value) {
  if (value.is_null()) return out.null();
  const std::string kind = value.begin().key();
  const Json& content = value.begin().value();
  if (kind == "boolean") return out.boolean(content.get<bool>());
  if (kind == "number") return write_number(out, content.get<std::string>());
  if (kind == "float")
    return out.floating(std::strtod(content.get<std::string>().c_str(), nullptr));
  if (kind == "text") return out.text(content.get<std::string>());
  if (kind == "blob") return out.blob(from_hex(content.get<std::string>()));
  if (kind == "date") return out.date(content.get<int32_t>());
  if (kind == "time") return out.time(content.get<int64_t>());
  if (kind == "timestamp") return out.timestamp(content.get<int64_t>());
  if (kind == "uuid") return write_uuid(out, content.get<std::string>());
  if (kind == "struct") return write_struct(out, content);
  if (kind == "map") return write_map(out, content);
  if (kind != "list") throw std::invalid_argument("unknown kind " + kind);
  out.list(content.size());
  for (const Json& each : content) write_value(out, each);
}

}  // namespace

std::string write_typed_row(const Json& row) {
  CanonicalWriter out;
  out.row();
  write_fields(out, row);
  return out.bytes();
}

}  // namespace weir::testing
