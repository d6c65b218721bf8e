#include "storage/read_through.h"

#include <algorithm>

#include "base/in_flight.h"

namespace weir::storage {

Result<int64_t> read_through(Storage& storage, std::string_view name, int64_t size_bytes,
                             const Cancel& cancel,
                             const std::function<Status(std::string_view)>& take) {
  constexpr int64_t kPieceBytes = int64_t{4} << 20;
  if (size_bytes > 0 && size_bytes <= kPieceBytes) {  // one piece waits for no other: no thread
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const std::string whole, storage.read(name, {0, size_bytes}));
    WEIR_TRY(take(whole));
    return static_cast<int64_t>(whole.size());
  }
  InFlight<std::string> pieces(static_cast<size_t>(storage.capabilities().requests_at_once));
  int64_t asked = 0;
  int64_t came = 0;
  while (came < size_bytes) {
    while (!pieces.is_full() && asked < size_bytes) {
      const Range range{asked, std::min(kPieceBytes, size_bytes - asked)};
      pieces.start([&storage, name, range] { return storage.read(name, range); });
      asked += range.size_bytes;
    }
    WEIR_TRY(cancel.check());
    WEIR_ASSIGN(const std::string piece, pieces.next());
    WEIR_TRY(take(piece));
    const int64_t expected = std::min(kPieceBytes, size_bytes - came);
    came += static_cast<int64_t>(piece.size());
    if (static_cast<int64_t>(piece.size()) < expected) break;
  }
  return came;
}

}  // namespace weir::storage
