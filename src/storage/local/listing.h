#pragma once

/// Walks folders so that object names come in byte order, a page at a time. It knows nothing of
/// stores; names are relative to the root.

#include <string_view>

#include <sys/stat.h>

#include "storage/local/beneath.h"
#include "storage/storage.h"

namespace weir::storage::local {

/// Files below `root` whose name starts with `prefix`, after `after`, at most `limit`. Links to
/// files are listed, links to folders not walked. Temporary files do not show.
Result<Page> list_page(const Folders& folders, std::string_view prefix, std::string_view after,
                       size_t limit);

/// Size and time of an open file, as the entry `name`.
Entry entry_of(std::string_view name, const struct stat& found);

}  // namespace weir::storage::local
