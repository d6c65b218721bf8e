#include "storage/moving.h"

#include <algorithm>

namespace weir::storage {
namespace {

/// Since it was listed. Who lists again does not meet it any more.
std::unexpected<Error> gone(const Storage& source, const Entry& entry) {
  return fail(ErrorCode::kUnavailable, "'{}' in '{}' was taken away while it was read", entry.name,
              source.uri());
}

}  // namespace

Status move_object(Storage& storage, std::string_view from, std::string_view to) {
  auto* const mover = dynamic_cast<Mover*>(&storage);
  return mover != nullptr ? mover->move(from, to) : move_by_copy(storage, from, to);
}

Status move_by_copy(Storage& storage, std::string_view from, std::string_view to) {
  WEIR_TRY(check_object_name(to));
  WEIR_ASSIGN(const Entry entry, storage.stat(from));
  auto there = storage.stat(to);
  if (!there && there.error().code != ErrorCode::kNotFound)
    return std::unexpected(std::move(there).error());
  if (there) {
    WEIR_ASSIGN(const Written ours, digest_of(storage, from));
    WEIR_ASSIGN(const Written theirs, digest_of(storage, to));
    if (ours.sha256 != theirs.sha256)
      return fail(ErrorCode::kAlreadyExists, "'{}' exists already in '{}'", to, storage.uri());
  } else {
    WEIR_ASSIGN(const auto writer, storage.create(to));
    WEIR_TRY(copy_into(*writer, storage, entry, Cancel()));
    WEIR_TRY(writer->commit(Put::kIfAbsent));
  }
  WEIR_ASSIGN(const Entry now, storage.stat(from));
  if (now != entry)
    return fail(ErrorCode::kConflict, "'{}' in '{}' changed while it was moved", from,
                storage.uri());
  return storage.remove(from);
}

Status copy_into(Writer& writer, Storage& source, const Entry& entry, const Cancel& cancel) {
  constexpr int64_t kPieceBytes = int64_t{4} << 20;
  for (int64_t at = 0; at < entry.size_bytes; at += kPieceBytes) {
    WEIR_TRY(cancel.check());
    auto piece = source.read(entry.name, {at, kPieceBytes});
    if (!piece && piece.error().code == ErrorCode::kNotFound) return gone(source, entry);
    if (!piece) return std::unexpected(std::move(piece).error());
    // Before it is published: what ended too early must be seen by nobody.
    const int64_t wanted_bytes = std::min(kPieceBytes, entry.size_bytes - at);
    if (static_cast<int64_t>(piece->size()) < wanted_bytes)
      return fail_with_hint(
          ErrorCode::kUnavailable,
          fmt::format("'{}' in '{}' ends after {} of {} bytes", entry.name, source.uri(),
                      at + static_cast<int64_t>(piece->size()), entry.size_bytes),
          "it was cut since it was listed, or the server says a wrong size");
    WEIR_TRY(writer.append(*piece));
  }
  const auto after = source.stat(entry.name);
  if (!after && after.error().code == ErrorCode::kNotFound) return gone(source, entry);
  if (!after) return std::unexpected(after.error());
  if (*after == entry) return {};
  return fail_with_hint(
      ErrorCode::kUnavailable,
      fmt::format("'{}' in '{}' changed while it was read", entry.name, source.uri()),
      "it is still being written; give `settle` to wait until it rests");
}

}  // namespace weir::storage
