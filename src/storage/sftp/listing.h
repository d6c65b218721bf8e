#pragma once

/// A page of a store's listing, in byte order of whole names, from folders that a server lists in
/// no order.

#include <string_view>

#include "storage/sftp/connection.h"

namespace weir::storage::sftp {

Entry entry_of(std::string_view name, const Attributes& attributes);

/// As Storage::list; the prefix is a good one.
Result<Page> list_page(Tree& tree, std::string_view prefix, std::string_view after, size_t limit);

}  // namespace weir::storage::sftp
