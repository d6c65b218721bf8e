#include "storage/s3/listing.h"

#include <algorithm>
#include <charconv>

#include "base/instant.h"
#include "net/url.h"
#include "net/xml.h"
#include "storage/s3/entry.h"

namespace weir::storage::s3 {
namespace {

struct Raw {
  std::vector<Entry> entries;
  std::string next;  ///< The continuation token; empty on the last page.
};

/// Keys come encoded, for XML cannot carry all of them; a blank is a '+'.
Result<std::string> decode_key(std::string text, bool is_encoded) {
  if (!is_encoded) return text;
  std::ranges::replace(text, '+', ' ');
  return net::percent_decode(text);
}

Result<Entry> read_entry(const net::XmlNode& contents, bool is_encoded) {
  Entry entry;
  WEIR_ASSIGN(entry.name, decode_key(contents.text_of("Key"), is_encoded));
  const std::string size = contents.text_of("Size");
  const auto [end, error] =
      std::from_chars(size.data(), size.data() + size.size(), entry.size_bytes);
  if (error != std::errc() || end != size.data() + size.size() || entry.size_bytes < 0)
    return fail(ErrorCode::kInvalidData, "the listing gives '{}' the size '{}'", entry.name, size);
  WEIR_ASSIGN(const int64_t modified_at_us, parse_instant(contents.text_of("LastModified")));
  entry.modified_at_us = whole_seconds(modified_at_us);
  entry.version = version_of(contents.text_of("ETag"));
  return entry;
}

/// Takes a page apart; keys that are no names of the store are left out.
Result<Raw> read_page(const std::string& body, const std::string& root_prefix) {
  WEIR_ASSIGN(const auto root, net::parse_xml(body));
  if (root.name != "ListBucketResult")
    return fail(ErrorCode::kInvalidData, "the listing is a '{}'", root.name);
  const bool is_encoded = root.text_of("EncodingType") == "url";
  Raw raw;
  for (const auto& child : root.children) {
    if (child.name != "Contents") continue;
    WEIR_ASSIGN(Entry entry, read_entry(child, is_encoded));
    if (!entry.name.starts_with(root_prefix)) continue;
    entry.name.erase(0, root_prefix.size());
    if (check_object_name(entry.name)) raw.entries.push_back(std::move(entry));
  }
  if (root.text_of("IsTruncated") != "true") return raw;
  raw.next = root.text_of("NextContinuationToken");
  if (raw.next.empty())
    return fail(ErrorCode::kInvalidData, "the listing goes on and does not say where");
  return raw;
}

}  // namespace

Result<Page> list_objects(Client& client, std::string_view prefix, std::string_view after,
                          const std::string& uri) {
  const std::string& root_prefix = client.address().prefix();
  std::vector<std::pair<std::string, std::string>> parameters = {
      {"encoding-type", "url"}, {"list-type", "2"}, {"prefix", root_prefix + std::string(prefix)}};
  if (!after.empty()) parameters.emplace_back("start-after", root_prefix + std::string(after));
  const std::string what = fmt::format("list '{}' in '{}'", prefix, uri);
  for (;;) {
    Call call;
    call.query = net::encode_query(parameters);
    call.what = what;
    Raw raw;
    // Read within the check: a page that broke on its way is asked for again.
    call.check = [&](const net::Response& response) -> Status {
      auto page = read_page(response.body, root_prefix);
      if (!page) {
        page.error().code = ErrorCode::kUnavailable;
        return std::unexpected(std::move(page).error().while_doing(what));
      }
      raw = std::move(*page);
      return {};
    };
    WEIR_TRY(client.demand(call));
    // Where all keys of a page are left out, an empty page would look like the end.
    if (!raw.entries.empty() || raw.next.empty())
      return Page{std::move(raw.entries), raw.next.empty()};
    std::erase_if(parameters, [](const auto& each) {
      return each.first == "start-after" || each.first == "continuation-token";
    });
    parameters.emplace_back("continuation-token", raw.next);
  }
}

}  // namespace weir::storage::s3
