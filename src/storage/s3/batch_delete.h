#pragma once

/// DeleteObjects: many keys in one request. It knows nothing of names and prefixes.

#include <span>

#include "storage/s3/client.h"

namespace weir::storage::s3 {

constexpr size_t kMostKeysOfADelete = 1000;  // S3's

/// Whether a request in XML carries the key, and the answer gives it back as it was: not with
/// control characters, which XML cannot hold or reads as others, and not where it is all blanks.
bool fits_batch_delete(std::string_view key);

/// What becomes of one key that S3 did not remove.
struct KeptKey {
  std::string key;
  Refusal refusal;
};

/// Asks once for up to kMostKeysOfADelete keys, with the client's tries, and gives those that were
/// refused; one that is not there is removed. As Client::demand() where the whole was refused.
Result<std::vector<KeptKey>> delete_keys(Client& client, std::span<const std::string> keys,
                                         const std::string& what);

}  // namespace weir::storage::s3
