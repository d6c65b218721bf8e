#pragma once

/// Bytes under names: the landing zone, the lake and the archive all sit behind this interface. A
/// store has no folders, only names with '/' in them.
///
/// It knows nothing of tables, formats or credentials: a store is built with credentials already
/// resolved (see app/).

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::storage {

/// What a store promises beyond the interface. Callers ask here, never for its kind.
struct Capabilities {
  bool atomic_put = true;          ///< A reader sees the old bytes or the new, never part.
  bool put_if_absent = true;       ///< `Put::kIfAbsent` is decided by the store itself.
  bool put_if_version = true;      ///< commit_if_version() is decided by the store itself.
  bool consistent_list = true;     ///< A finished put shows in the next list.
  bool readable_by_engine = true;  ///< engine_uri() gives what DuckDB can open by itself.
  int requests_at_once = 1;        ///< So many gain time: of a far store with several connections.
};

struct Entry {
  std::string name;
  int64_t size_bytes = 0;
  int64_t modified_at_us = 0;  ///< UTC. 0 where the store does not say.
  /// Another word whenever the object may hold other bytes than before; empty where the store does
  /// not say. Compare it for equality only.
  std::string version = {};
  bool operator==(const Entry&) const = default;
};

struct Range {
  int64_t offset_bytes = 0;
  int64_t size_bytes = std::numeric_limits<int64_t>::max();
  static Range all() { return {}; }
};

struct Written {
  int64_t size_bytes = 0;
  std::string sha256;  ///< 64 hex digits
};

enum class Put { kReplace, kIfAbsent };

/// Bytes on their way into one object. Nothing is visible under the name before commit().
class Writer {
 public:
  virtual ~Writer() = default;  ///< Destroyed without commit(): the same as abort().
  virtual Status append(std::string_view bytes) = 0;

  /// Publishes the object durably and whole. With kIfAbsent, kAlreadyExists if the name is taken;
  /// kOutcomeUnknown if the store did not answer after it may have acted. Once only.
  virtual Result<Written> commit(Put mode) = 0;

  /// Compare and set: publishes where the object is still of that Entry::version, as commit() does.
  /// kConflict where it is of another one, or not there; kUnsupported where the store cannot tell.
  /// Look at the version first and read the bytes then: bytes newer than it do no harm.
  virtual Result<Written> commit_if_version(const std::string& version) = 0;
  virtual void abort() noexcept = 0;
};

/// A page of a listing; `is_last` where nothing follows.
struct Page {
  std::vector<Entry> entries;
  bool is_last = true;
};

/// Names are UTF-8, 1–1024 bytes, segments separated by one '/', none of them empty, `.` or `..`,
/// no NUL: kInvalidConfig otherwise. Segments that start with `.weir-tmp-` belong to the store.
/// Safe to use from many threads at once.
class Storage {
 public:
  virtual ~Storage() = default;

  virtual Capabilities capabilities() const = 0;

  /// Reads from `offset_bytes`; fewer bytes only at the end. kNotFound if there is no such object.
  virtual Result<std::string> read(std::string_view name, Range range) = 0;

  /// Size and time of one object. kNotFound if there is none.
  virtual Result<Entry> stat(std::string_view name) = 0;

  /// Starts an object; its SHA-256 and size are known after commit().
  virtual Result<std::unique_ptr<Writer>> create(std::string_view name) = 0;

  /// One page of entries whose name starts with `prefix`, in byte order, after `after`. A prefix
  /// need not end at a '/'. Nothing there is an empty page, not an error.
  virtual Result<Page> list(std::string_view prefix, std::string_view after) = 0;

  /// Removes the object, durably. Removing what is not there succeeds. kOutcomeUnknown where the
  /// store may have acted though it failed.
  virtual Status remove(std::string_view name) = 0;

  /// Removes them all, in any order and with fewer requests where the store has a way, each as
  /// remove() does it. Where that fails the error names an object that may be there still; of the
  /// others each is there or gone. kInvalidConfig for what is no name, and then nothing is removed.
  virtual Status remove_all(std::span<const std::string> names);

  /// A path or URI that DuckDB opens by itself. kUnsupported without that capability, and for a
  /// name that DuckDB would take for a pattern.
  virtual Result<std::string> engine_uri(std::string_view name) const = 0;

  /// The URI that this store was opened with; for messages and for operations.
  virtual const std::string& uri() const = 0;
};

/// Every entry under the prefix, page by page.
Result<std::vector<Entry>> list_all(Storage& storage, std::string_view prefix);
/// One small object in one call.
Result<Written> put(Storage& storage, std::string_view name, std::string_view bytes, Put mode);
/// The same over the object of that version, as Writer::commit_if_version says.
Result<Written> put_if_version(Storage& storage, std::string_view name, std::string_view bytes,
                               const std::string& version);
/// SHA-256 and size of an object, read in pieces.
Result<Written> digest_of(Storage& storage, std::string_view name);
/// kInvalidConfig, with the reason, unless the name is as Storage says.
Status check_object_name(std::string_view name);

/// Keeps everything in memory. For tests and for `--dry-run`. Not readable by the engine.
std::unique_ptr<Storage> make_memory_storage(std::string uri = "memory:");

/// A folder of the local file system; it is made with the first object. Objects are written to a
/// temporary file beside the target, fsynced, renamed (kReplace) or linked (kIfAbsent), and the
/// folder fsynced. commit_if_version() compares and renames under a lock of the folder that only
/// other commit_if_version() calls respect, on this machine, or on all machines where a network
/// file system carries flock(2): mixed with kReplace or remove() it may replace what it did not
/// see. Symbolic links inside are followed for reading where they stay below the root, otherwise
/// kDenied.
std::unique_ptr<Storage> make_local_storage(std::string root, std::string uri);

/// Opens stores by URI; `app/` fills it in, tests give their own.
/// Safe to use from many threads at once.
class Stores {
 public:
  virtual ~Stores() = default;
  /// The store at that root. The same URI gives the same store. kInvalidConfig for a scheme that
  /// nobody serves.
  virtual Result<Storage*> open(const std::string& uri) = 0;
};

/// Local folders (a path, or `file:` URIs; relative paths count from `base_folder`) and `memory:`.
std::unique_ptr<Stores> make_local_stores(std::string base_folder);

}  // namespace weir::storage
