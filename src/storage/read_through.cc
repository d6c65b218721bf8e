#include "storage/read_through.h"

#include <algorithm>
#include <vector>

#include "base/in_flight.h"

namespace weir::storage {
namespace {

constexpr int64_t kPieceBytes = int64_t{4} << 20;
/// One answer costs the server less than several, and this machine no memory. Larger objects come
/// over a far line faster in pieces.
constexpr int64_t kMostStreamedBytes = int64_t{16} << 20;

/// Into memory that was a piece's before: fresh memory costs the system a fault for each page.
Result<std::string> read_piece(Storage& storage, Streamer* streamer, const Entry& entry,
                               Range range, std::string piece) {
  if (streamer == nullptr) return storage.read(entry.name, range);
  piece.clear();
  piece.reserve(static_cast<size_t>(range.size_bytes));
  const Status streamed = streamer->stream(entry, range, [&piece](std::string_view bytes) {
    piece += bytes;
    return Status();
  });
  if (streamed) return piece;
  if (streamed.error().code == ErrorCode::kUnsupported) return storage.read(entry.name, range);
  return std::unexpected(streamed.error());
}

Result<int64_t> read_in_pieces(Storage& storage, Streamer* streamer, const Entry& entry,
                               const Cancel& cancel,
                               const std::function<Status(std::string_view)>& take) {
  InFlight<std::string> pieces(static_cast<size_t>(storage.capabilities().requests_at_once));
  std::vector<std::string> taken;
  int64_t asked = 0;
  int64_t came = 0;
  while (came < entry.size_bytes) {
    while (!pieces.is_full() && asked < entry.size_bytes) {
      const Range range{asked, std::min(kPieceBytes, entry.size_bytes - asked)};
      std::string memory;
      if (!taken.empty()) {
        memory = std::move(taken.back());
        taken.pop_back();
      }
      pieces.start([&, range, memory = std::move(memory)]() mutable {
        return read_piece(storage, streamer, entry, range, std::move(memory));
      });
      asked += range.size_bytes;
    }
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(std::string piece, pieces.next());
    WEIR_TRY(take(piece));
    const int64_t expected = std::min(kPieceBytes, entry.size_bytes - came);
    came += std::ssize(piece);
    if (std::ssize(piece) < expected) break;
    taken.push_back(std::move(piece));
  }
  return came;
}

}  // namespace

Result<int64_t> read_through(Storage& storage, const Entry& entry, const Cancel& cancel,
                             const std::function<Status(std::string_view)>& take) {
  WEIR_TRY(cancel.check());
  auto* const streamer = entry.version.empty() ? nullptr : dynamic_cast<Streamer*>(&storage);
  const Range whole{0, entry.size_bytes};
  if (entry.size_bytes == 0) return 0;
  if (streamer != nullptr && entry.size_bytes <= kMostStreamedBytes) {
    WEIR_TRY(streamer->stream(entry, whole, [&](std::string_view bytes) -> Status {
      WEIR_TRY(cancel.check());
      return take(bytes);
    }));
    return entry.size_bytes;
  }
  if (entry.size_bytes > kPieceBytes) return read_in_pieces(storage, streamer, entry, cancel, take);
  WEIR_ASSIGN(const std::string bytes, storage.read(entry.name, whole));  // waits for no other
  WEIR_TRY(take(bytes));
  return std::ssize(bytes);
}

}  // namespace weir::storage
