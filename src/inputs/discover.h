#pragma once

/// What is there to be read: landing files with their identity, and what the lake says of itself.
/// The lake is the truth; what a caller knows already (from its catalog) only saves reading.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/pattern.h"
#include "base/result.h"
#include "model/operation.h"
#include "model/outcome.h"
#include "model/published.h"
#include "storage/storage.h"

namespace weir::inputs {

/// One landing file, hashed.
struct LandingFile {
  model::PinnedObject object;
  std::string identity;
  /// The store's version of the bytes that were hashed: while it is the same, so is the hash. Empty
  /// where that cannot be said (the store has none, or the file is so young that it may change
  /// again within one tick of the store's clock).
  std::string version;
};

/// What was hashed before, so that it need not be read again.
struct HashedFile {
  int64_t size_bytes = 0;
  std::string version;
  std::string sha256;
};

struct LandingQuery {
  std::string uri;               ///< Root of the landing layer.
  std::string glob;              ///< Below the root.
  std::optional<Pattern> as_of;  ///< Over the file's name, with a group `as_of`.
  model::Identity identity = model::Identity::kContent;
  std::map<std::string, HashedFile> known;  ///< By name; size and version must still fit.
  int64_t now_us = 0;                       ///< For how young a file is.
};

/// Files that match, with their hashes, by as-of and then by name; those that `known` fits are not
/// read. kInvalidData, naming the file, where its
/// name has no readable as-of although a pattern asks for one; kUnavailable where it changed while
/// it was read.
Result<std::vector<LandingFile>> find_landing_files(storage::Storage& store,
                                                    const LandingQuery& query,
                                                    const Cancel& cancel);

/// What a raw dataset holds, from its objects' footers, by as-of and then by name. `known`
/// publications (by object name) are taken as they are where size still fits.
/// Objects that weir did not write are left out.
Result<std::vector<model::Publication>> read_raw(storage::Storage& store,
                                                 const model::DatasetName& dataset,
                                                 const std::vector<model::Publication>& known);

/// One object of a raw dataset by its footer; nothing where weir did not write it. kCorrupt where
/// it is no Parquet file.
Result<std::optional<model::Published>> read_object(storage::Storage& store,
                                                    const storage::Entry& entry,
                                                    const model::DatasetName& dataset);

/// What a Hudi dataset holds: one entry a commit, oldest first. An absent table is empty.
struct HudiState {
  bool exists = false;
  std::string instant;  ///< Of the newest commit.
  model::Schema schema;
  std::vector<model::Publication> publications;
  std::vector<model::Published> commits;     ///< The same, with what else they say.
  std::vector<model::PinnedObject> objects;  ///< Of the newest version, by name.
  std::vector<std::string> missing;          ///< Files of the newest version that are gone.
};
Result<HudiState> read_hudi(storage::Storage& store, const model::DatasetName& dataset,
                            Clock& clock, Random& random);

/// `landing → raw.airports`, or `a.csv → raw.airports` where the file is known.
std::string hop_name(const model::Publication& publication);
/// `raw.airports → stage.airports`: what a commit was made from and into.
std::string hop_name(const model::Published& commit);

/// Whether the objects that `known` says are there still are, whole: by size, and by the token and
/// the rows in their footers. A look at each, not a reading of it. kCorrupt names the first hop
/// that lost something.
Status verify_presence(storage::Storage& store, const std::vector<model::Publication>& known);
/// The same of a Hudi dataset: the instants of `known` are on its timeline, and the files of its
/// newest version are there, with the size that their commits recorded (of another writer's, which
/// have no hash, also with the rows).
Status verify_hudi(storage::Storage& store, const model::DatasetName& dataset,
                   const HudiState& state, const std::vector<model::Publication>& known);
/// The instants of `known` that the timeline neither has nor archived, oldest first.
Result<std::vector<std::string>> lost_instants(storage::Storage& store, const HudiState& state,
                                               const std::vector<model::Publication>& known);

/// Names what an ingest_database task reads, out of its parameters: the connection, the table or
/// query, the condition and the cursor. Where one of them changes, reading begins anew.
std::string source_key(const Json& params);
/// How far the newest read of that source got, by the footers of a raw dataset's objects: the list
/// of the cursor's values; null where it was never read with a cursor.
Result<Json> newest_watermark(storage::Storage& store,
                              const std::vector<model::Publication>& publications,
                              const std::string& key);

/// Pins the newest version of a dataset, or the version `instant` of a Hudi one: every object that
/// a reader needs. `known` publications of a raw dataset are taken as read_raw() takes them.
/// kNotFound where there is nothing yet.
Result<model::PinnedInput> pin_latest(storage::Storage& store, const model::DatasetName& dataset,
                                      Clock& clock, Random& random, const std::string& instant = "",
                                      const std::vector<model::Publication>& known = {});

/// The objects of one raw publication as a pinned input, and of its rejected rows (or nothing).
model::PinnedObject pinned_object(const std::string& uri, const model::Publication& publication);

}  // namespace weir::inputs
