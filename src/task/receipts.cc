#include "task/receipts.h"

#include "base/digest.h"
#include "storage/object_name.h"

namespace weir::task {
namespace {

/// Half of a SHA-256: enough to tell words apart.
std::string short_digest(std::string_view first, std::string_view second, std::string_view third) {
  constexpr size_t kDigits = 32;
  return sha256_hex(
             fmt::format("{}\n{}\n{}", Json(first).dump(), Json(second).dump(), Json(third).dump()))
      .substr(0, kDigits);
}

}  // namespace

Result<Receipts> Receipts::open(storage::Storage& store, std::string_view who,
                                std::string_view from, std::string_view to) {
  Receipts receipts(
      store, fmt::format("{}receipts/{}/", storage::kOwnFolder, short_digest(who, from, to)));
  WEIR_ASSIGN(const auto entries,
              while_doing(storage::list_all(store, receipts.folder_), "looking for receipts"));
  for (const auto& entry : entries) receipts.there_.insert(entry.name);
  return receipts;
}

std::string Receipts::object_of(std::string_view name, std::string_view proof) const {
  return folder_ + short_digest(name, proof, "");
}

bool Receipts::has(std::string_view name, std::string_view proof) const {
  return !proof.empty() && there_.contains(object_of(name, proof));
}

Status Receipts::write(std::string_view name, std::string_view proof, const Json& about) {
  if (proof.empty() || has(name, proof)) return {};
  std::string object = object_of(name, proof);
  WEIR_TRY(while_doing(storage::put(*store_, object, dump_json(about), storage::Put::kReplace),
                       fmt::format("writing the receipt of '{}'", name)));
  there_.insert(std::move(object));
  return {};
}

Result<std::vector<Json>> Receipts::read_all() const {
  std::vector<Json> all;
  for (const auto& object : there_) {
    WEIR_ASSIGN(const std::string text,
                while_doing(store_->read(object, storage::Range::all()), "reading a receipt"));
    WEIR_ASSIGN(Json about, while_doing(parse_json(text), "reading a receipt"));
    all.push_back(std::move(about));
  }
  return all;
}

Status Receipts::forget(std::string_view name, std::string_view proof) {
  const std::string object = object_of(name, proof);
  WEIR_TRY(store_->remove(object));
  there_.erase(object);
  return {};
}

std::string Receipts::proof_of(const storage::Entry& entry, int64_t now_us) {
  // Longer than one tick of any clock of files, SFTP's whole seconds among them.
  constexpr int64_t kRestsAfterUs = 2'000'000;
  const bool rests = entry.modified_at_us + kRestsAfterUs < now_us;
  if (entry.version.empty() || !rests) return "";
  return fmt::format("version {} of {} bytes", entry.version, entry.size_bytes);
}

}  // namespace weir::task
