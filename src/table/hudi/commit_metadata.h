#pragma once

/// What a completed commit says of itself: the JSON text of `T.commit` and `T.replacecommit` on the
/// flat timeline, an Avro record of the same fields on the later one. No I/O.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "table/hudi.h"

namespace weir::table {

/// One new data file.
struct WriteStat {
  std::string file_group_id;
  std::string path;  ///< Relative to the table.
  std::string partition;
  std::string previous_commit;  ///< Empty: the group is new.
  std::string previous_file;    ///< Bare name; empty: the group is new.
  int64_t rows = 0;
  int64_t inserts = 0;
  int64_t updates = 0;
  int64_t deletes = 0;
  int64_t size_bytes = 0;
};

struct CommitMetadata {
  std::vector<WriteStat> stats;
  std::map<std::string, std::string> extra;
  std::string operation_type;
  /// Partition → file groups that are dead from this commit on (replacecommit only).
  std::map<std::string, std::vector<std::string>> replaced;
};

std::string to_text(const CommitMetadata& metadata, Action action);

/// kCorrupt, naming `file`, where the text is no such JSON or Avro. Empty text is an empty commit:
/// Hudi takes it so.
Result<CommitMetadata> parse_commit_metadata(std::string_view text, std::string_view file);

/// What callers see of it.
CommitInfo info_of(const Instant& instant, const CommitMetadata& metadata);

/// Keys of `extra` that this module reads.
inline constexpr const char* kSchemaKey = "schema";
inline constexpr const char* kTokenKey = "weir.token";
inline constexpr const char* kRolesKey = "weir.roles";
inline constexpr const char* kHashesKey = "weir.hashes";
inline constexpr const char* kKeyRangesKey = "weir.key_ranges";
inline constexpr const char* kRoleKey = "weir.role";  ///< In a data file's footer.
/// Only in commits that keep the table in shape: they bring no data, and nothing but it is weir's.
inline constexpr const char* kServiceKey = "weir.service";
inline constexpr const char* kCreateService = "create";     ///< The commit that begins a table.
inline constexpr const char* kAttemptKey = "weir.attempt";  ///< Made up anew by every begin().

/// Whether it says anything of weir's that is not only about a table service.
bool has_weirs_extra(const CommitMetadata& metadata);
/// Whether it is the empty one that begins a table of weir's.
bool begins_table(const CommitMetadata& metadata);

/// The role of a group by a commit's `weir.roles`; kMixed where it is not named.
Role role_in(const std::map<std::string, std::string>& extra, const std::string& file_group_id);
Role role_from_text(std::string_view text);
/// The SHA-256 of the file that a commit wrote for a group, by its `weir.hashes`; empty where it
/// says none.
std::string hash_in(const std::map<std::string, std::string>& extra,
                    const std::string& file_group_id);
/// Between which values the keys of that file lie, by its `weir.key_ranges`: `{"<file group>":
/// {"<column>": ["least", "greatest"]}}`. Without what is not so written.
std::vector<KeyRange> key_ranges_in(const std::map<std::string, std::string>& extra,
                                    const std::string& file_group_id);
Json to_json(const std::vector<KeyRange>& ranges);  ///< Of one file group.

}  // namespace weir::table
