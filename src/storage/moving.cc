#include "storage/moving.h"

#include "base/digest.h"
#include "storage/read_through.h"

namespace weir::storage {
namespace {

/// Since it was listed. Who lists again does not meet it any more.
std::unexpected<Error> gone(const Storage& source, const Entry& entry) {
  return fail(ErrorCode::kUnavailable, "'{}' in '{}' was taken away while it was read", entry.name,
              source.uri());
}

std::unexpected<Error> changed(const Storage& source, const Entry& entry) {
  return fail_with_hint(
      ErrorCode::kUnavailable,
      fmt::format("'{}' in '{}' changed while it was read", entry.name, source.uri()),
      "it is still being written; give `settle` to wait until it rests");
}

/// kUnavailable where the object changed meanwhile: what was appended is then of no use.
Status copy_into(Writer& writer, Storage& source, const Entry& entry, const Cancel& cancel,
                 Sha256* digest = nullptr) {
  const auto append = [&](std::string_view bytes) {
    if (digest != nullptr) digest->update(bytes);
    return writer.append(bytes);
  };
  const auto came = read_through(source, entry, cancel, append);
  if (!came && came.error().code == ErrorCode::kNotFound) return gone(source, entry);
  if (!came && came.error().code == ErrorCode::kConflict) return changed(source, entry);
  if (!came) return std::unexpected(came.error());
  if (*came < entry.size_bytes)
    return fail_with_hint(ErrorCode::kUnavailable,
                          fmt::format("'{}' in '{}' ends after {} of {} bytes", entry.name,
                                      source.uri(), *came, entry.size_bytes),
                          "it was cut since it was listed, or the server says a wrong size");
  const auto after = source.stat(entry.name);
  if (!after && after.error().code == ErrorCode::kNotFound) return gone(source, entry);
  if (!after) return std::unexpected(after.error());
  if (*after == entry && *came == entry.size_bytes) return {};
  return changed(source, entry);
}

}  // namespace

bool may_copy_itself(Storage& source, Storage& target) {
  return dynamic_cast<Copier*>(&source) != nullptr && dynamic_cast<Copier*>(&target) != nullptr;
}

Result<std::optional<Written>> copy_if(
    Storage& source, const Entry& entry, Storage& target, std::string_view to, Put mode,
    const Cancel& cancel, const std::function<Result<bool>(const Written&)>& is_wanted) {
  WEIR_ASSIGN(const auto writer, target.create(to));
  Sha256 digest;
  WEIR_TRY(copy_into(*writer, source, entry, cancel, &digest));
  WEIR_ASSIGN(const bool goes_on, is_wanted({entry.size_bytes, digest.finish_hex()}));
  if (!goes_on) return std::nullopt;
  return writer->commit(mode);
}

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
  if (auto* const mover = dynamic_cast<Mover*>(&storage)) {
    WEIR_ASSIGN(const bool is_moved, mover->move(from, to));
    if (is_moved) return {};
  }
  return move_by_copy(storage, from, to);
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
