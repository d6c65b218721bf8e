// Changes a local store below the folder of its argument, and tells the truth about it: one line
// `<object> <code>` a call. What storage_test.py kills and fails.

#include <cstdio>

#include "storage/storage.h"

namespace {

using weir::storage::Put;

int tell(const char* what, const weir::Status& status) {
  std::printf("%s %s\n", what, status ? "ok" : weir::to_line(status.error()).c_str());
  std::fflush(stdout);
  return status ? 0 : 1;
}

weir::Status put(weir::storage::Storage& storage, const char* name, size_t size, Put mode) {
  WEIR_TRY(weir::storage::put(storage, name, std::string(size, name[0]), mode));
  return {};
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const auto storage =
      weir::storage::make_local_storage(std::string(arguments[1]) + "/lake", "lake");
  int failed = 0;
  failed |= tell("small", put(*storage, "a/b/small", 10, Put::kIfAbsent));
  failed |= tell("large", put(*storage, "a/large", size_t{600} << 10, Put::kReplace));
  failed |= tell("old", put(*storage, "old", 20, Put::kReplace));
  failed |= tell("gone", storage->remove("gone"));
  return failed;
}
