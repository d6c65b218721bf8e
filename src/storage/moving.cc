#include "storage/moving.h"

#include <algorithm>

namespace weir::storage {
namespace {

/// kUnavailable where the object changed meanwhile: what was appended is then of no use.
Status copy_into(Writer& writer, Storage& source, const Entry& entry, const Cancel& cancel) {
  constexpr int64_t kPieceBytes = int64_t{4} << 20;
  for (int64_t at = 0; at < entry.size_bytes; at += kPieceBytes) {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const std::string piece, source.read(entry.name, {at, kPieceBytes}));
    WEIR_TRY(writer.append(piece));
  }
  WEIR_ASSIGN(const Entry after, source.stat(entry.name));
  if (after == entry) return {};
  return fail_with_hint(
      ErrorCode::kUnavailable,
      fmt::format("'{}' in '{}' changed while it was read", entry.name, source.uri()),
      "it is still being written; give `settle` to wait until it rests");
}

}  // namespace

Result<Written> copy_object(Storage& source, const Entry& entry, Storage& target,
                            std::string_view to, Put mode, const Cancel& cancel) {
  if (auto* const copier = dynamic_cast<Copier*>(&target)) {
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(auto copied, copier->copy_here(source, entry, to, mode));
    if (copied) return *std::move(copied);
  }
  WEIR_ASSIGN(const auto writer, target.create(to));
  WEIR_TRY(copy_into(*writer, source, entry, cancel));
  return writer->commit(mode);
}

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
    WEIR_TRY(copy_object(storage, entry, storage, to, Put::kIfAbsent, Cancel()));
  }
  WEIR_ASSIGN(const Entry now, storage.stat(from));
  if (now != entry)
    return fail(ErrorCode::kConflict, "'{}' in '{}' changed while it was moved", from,
                storage.uri());
  return storage.remove(from);
}

}  // namespace weir::storage
