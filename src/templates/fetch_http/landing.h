#pragma once

/// Where a fetch keeps what it got, in the landing layer itself
/// (docs/adr/0018-fetches-in-landing.md):
///
///   <folder>/<task>-<stamp>-000001.json                what others read, once the fetch is whole
///   <folder>/_fetch/<task>/<stamp>.commit              the fetch: its range, its requests
///   <folder>/_fetch/<task>/<stamp>/000001.body         pages of a fetch that is not whole yet,
///   <folder>/_fetch/<task>/<stamp>/000001.request      each with its record behind it
///
/// The stamp is the logical time. All names are functions of task, logical time and page, so an
/// attempt finds what the one before it left. It knows nothing of HTTP.

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "storage/storage.h"

namespace weir::templates {

/// `20261127T060000.000000Z`
std::string stamp_of(int64_t logical_time_us);

/// One page as it was answered, with the record of its request: `sha256`, `size_bytes`, `records`.
struct StagedPage {
  Json record;
  std::string body;
};

/// Not for use from several threads at once; a lease keeps other runs of the task away.
class Landing {
 public:
  /// `folder` is empty or ends with '/'. The store outlives it.
  Landing(storage::Storage& store, std::string folder, std::string task, std::string stamp,
          std::string extension);

  /// Looks at what is there, and ends publications that an attempt left half way.
  Status open();

  /// The commit of this logical time, and the latest one before it.
  Result<std::optional<Json>> own_commit();
  Result<std::optional<Json>> commit_before();
  /// The stamp of the latest commit, where it is later than this fetch.
  std::optional<std::string> later_commit() const;

  /// A page of an earlier attempt: one whose record has that `request_hash` and whose bytes are the
  /// ones recorded. Nothing otherwise.
  Result<std::optional<StagedPage>> staged(int64_t page, const std::string& request_hash);
  /// The bytes first, then the record that says that they are whole.
  Status stage(int64_t page, const StagedPage& staged);

  /// What a page is called for others.
  std::string visible_name(int64_t page) const;

  /// The fetch is whole from now on. kConflict where another commit came meanwhile.
  Status commit(const Json& commit);
  /// Puts its pages where others read them, and clears up behind this and older fetches.
  Status publish(const std::string& stamp, const Json& commit);
  Status clear_abandoned();

 private:
  std::string base() const { return folder_ + "_fetch/" + task_ + "/"; }
  std::string staged_name(const std::string& stamp, int64_t page, std::string_view end) const;
  Status look();
  Result<Json> read_commit(const std::string& stamp);

  storage::Storage& store_;
  const std::string folder_;
  const std::string task_;
  const std::string stamp_;
  const std::string extension_;
  std::set<std::string> commits_;                           ///< Their stamps.
  std::map<std::string, std::vector<std::string>> staged_;  ///< By stamp.
};

}  // namespace weir::templates
