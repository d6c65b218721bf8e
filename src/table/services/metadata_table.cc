#include "table/hudi/properties.h"
#include "table/services.h"

namespace weir::table {
namespace {

constexpr std::string_view kFolder = ".hoodie/metadata/";
// Hadoop's checksum of the properties beside them: stale, it makes the table unreadable.
constexpr std::string_view kChecksumFile = ".hoodie/.hoodie.properties.crc";

}  // namespace

Status drop_metadata_table(const TableContext& context) {
  if (context.guard != nullptr) WEIR_TRY(context.guard->still_mine());
  storage::Storage& store = *context.store;
  WEIR_ASSIGN(const std::string text, store.read(kPropertiesFile, storage::Range::all()));
  WEIR_ASSIGN(TableProperties properties, parse_properties(text));
  bool has_changed = false;
  for (const std::string key :
       {"hoodie.table.metadata.partitions", "hoodie.table.metadata.partitions.inflight"})
    has_changed = properties.erase(key) > 0 || has_changed;
  if (has_changed) {
    WEIR_TRY(store.remove(kChecksumFile));
    WEIR_TRY(storage::put(store, kPropertiesFile, format_properties(properties),
                          storage::Put::kReplace));
  }
  WEIR_ASSIGN(const auto files, storage::list_all(store, kFolder));
  for (const auto& file : files) WEIR_TRY(store.remove(file.name));
  return {};
}

}  // namespace weir::table
