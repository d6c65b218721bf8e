#include "base/base64.h"

#include <openssl/evp.h>

namespace weir {

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and a NUL, which EVP writes
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

Result<std::string> from_base64(std::string_view text) {
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string bytes(text.size() / 4 * 3, '\0');
  // EVP_DecodeBlock passes over blanks at both ends.
  const bool is_bare = text.find_first_of(" \t\r\n") == std::string_view::npos;
  const int size = !is_bare || text.size() % 4 != 0
                       ? -1
                       : EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                         reinterpret_cast<const unsigned char*>(text.data()),
                                         static_cast<int>(text.size()));
  if (size < 0) return fail(ErrorCode::kInvalidData, "the text is no Base64");
  bytes.resize(static_cast<size_t>(size) - padding);
  return bytes;
}

}  // namespace weir
