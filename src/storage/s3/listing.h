#pragma once

/// ListObjectsV2, page by page, as entries of a store.

#include "storage/s3/client.h"

namespace weir::storage::s3 {

/// As Storage::list says; `uri` is for messages.
Result<Page> list_objects(Client& client, std::string_view prefix, std::string_view after,
                          const std::string& uri);

}  // namespace weir::storage::s3
