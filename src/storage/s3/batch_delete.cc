#include "storage/s3/batch_delete.h"

#include <algorithm>
#include <set>

#include "base/printable.h"
#include "net/xml.h"
#include "storage/s3/body_digest.h"

namespace weir::storage::s3 {
namespace {

std::string body_of(std::span<const std::string> keys) {
  std::string body = R"(<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
  for (const auto& key : keys)
    body += fmt::format("<Object><Key>{}</Key></Object>", net::xml_escape(key));
  return body + "</Delete>";
}

/// The refused keys. Each key that was asked for must be in the answer: one that is not is no key
/// that was removed.
Result<std::vector<KeptKey>> read_answer(const net::XmlNode& root,
                                         std::span<const std::string> keys) {
  if (root.name != "DeleteResult")
    return fail(ErrorCode::kInvalidData, "the answer is a '{}'", printable(root.name));
  std::set<std::string, std::less<>> open(keys.begin(), keys.end());
  std::vector<KeptKey> kept;
  for (const auto& child : root.children) {
    const std::string key = child.text_of("Key");
    if (child.name == "Deleted") open.erase(key);
    if (child.name != "Error" || open.erase(key) == 0) continue;
    Refusal refusal;
    refusal.code = printable(child.text_of("Code"));
    refusal.message = printable(child.text_of("Message"));
    if (refusal.code != "NoSuchKey") kept.push_back({key, std::move(refusal)});
  }
  if (open.empty()) return kept;
  return fail(ErrorCode::kInvalidData, "the answer says nothing about {} of {} keys", open.size(),
              keys.size());
}

}  // namespace

bool fits_batch_delete(std::string_view key) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  constexpr std::string_view kNoCharacters[] = {"\xef\xbf\xbe", "\xef\xbf\xbf"};  // U+FFFE, U+FFFF
  return std::ranges::none_of(key, is_control) &&
         key.find_first_not_of(' ') != std::string_view::npos &&
         std::ranges::none_of(kNoCharacters, [&](auto none) { return key.contains(none); });
}

Result<std::vector<KeptKey>> delete_keys(Client& client, std::span<const std::string> keys,
                                         const std::string& what) {
  WEIR_CHECK(!keys.empty() && keys.size() <= kMostKeysOfADelete);
  const std::string body = body_of(keys);
  const BodyDigest digest(body);
  Call call{.method = "POST", .query = "delete=", .body = body, .body_sha256 = digest.hex};
  call.what = what;
  call.headers = {{"Content-Type", "application/xml"},
                  {"x-amz-checksum-sha256", digest.base64_text}};
  if (auto md5 = md5_base64(body); !md5.empty())
    call.headers.push_back({"Content-MD5", std::move(md5)});
  std::vector<KeptKey> kept;
  call.check = [&](const net::Response& response) -> Status {
    const auto root = net::parse_xml(response.body);
    if (root && root->name == "Error") return {};  // the client reads it
    auto read = root ? read_answer(*root, keys) : std::unexpected(root.error());
    if (!read) {
      // It did something, and asking again does no harm.
      read.error().code = ErrorCode::kOutcomeUnknown;
      return std::unexpected(std::move(read).error().while_doing(what));
    }
    kept = std::move(*read);
    return {};
  };
  WEIR_TRY(client.demand(call));
  return kept;
}

}  // namespace weir::storage::s3
