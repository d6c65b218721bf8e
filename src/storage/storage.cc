#include "storage/storage.h"

#include <algorithm>
#include <iterator>

#include "base/digest.h"
#include "storage/object_name.h"
#include "storage/read_through.h"

namespace weir::storage {

Status Storage::remove_all(std::span<const std::string> names) {
  for (const auto& name : names) WEIR_TRY(check_object_name(name));
  for (const auto& name : names) WEIR_TRY(remove(name));
  return {};
}

Result<std::vector<Entry>> list_all(Storage& storage, std::string_view prefix) {
  std::vector<Entry> all;
  for (;;) {
    const std::string after = all.empty() ? std::string() : all.back().name;
    WEIR_ASSIGN(Page page, storage.list(prefix, after));
    if (page.entries.empty()) return all;
    if (page.entries.front().name <= after)
      return fail(ErrorCode::kInternal, "the listing of '{}' does not move on from '{}'",
                  storage.uri(), after);
    std::ranges::move(page.entries, std::back_inserter(all));
    if (page.is_last) return all;
  }
}

Result<Written> put(Storage& storage, std::string_view name, std::string_view bytes, Put mode) {
  WEIR_ASSIGN(const auto writer, storage.create(name));
  WEIR_TRY(writer->append(bytes));
  return writer->commit(mode);
}

Result<Written> put_if_version(Storage& storage, std::string_view name, std::string_view bytes,
                               const std::string& version) {
  WEIR_ASSIGN(const auto writer, storage.create(name));
  WEIR_TRY(writer->append(bytes));
  return writer->commit_if_version(version);
}

Result<Written> digest_of(Storage& storage, std::string_view name) {
  WEIR_ASSIGN(const Entry before, storage.stat(name));
  Sha256 digest;
  const auto add = [&digest](std::string_view bytes) -> Status {
    digest.update(bytes);
    return {};
  };
  WEIR_ASSIGN(const int64_t size_bytes, read_through(storage, before, Cancel(), add));
  WEIR_ASSIGN(const Entry after, storage.stat(name));
  // Pieces of two objects make a digest of neither.
  if (after != before || size_bytes != before.size_bytes)
    return fail_with_hint(
        ErrorCode::kConflict,
        fmt::format("'{}' in '{}' changed while it was read: {} bytes, then {}, and {} were read",
                    name, storage.uri(), before.size_bytes, after.size_bytes, size_bytes),
        "write files under another name and rename them when they are whole");
  return Written{size_bytes, digest.finish_hex()};
}

}  // namespace weir::storage
