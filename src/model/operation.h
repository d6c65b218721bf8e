#pragma once

/// One complete hop with one commit, fully resolved: whoever executes it needs no catalog and finds
/// no secret in it. Also its JSON (docs/format/operation.md), which every engine takes.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "model/configuration.h"
#include "model/names.h"
#include "model/schema.h"

namespace weir::model {

enum class OperationKind {
  kIngestFiles,
  kMergeHistory,
  kMergeLatest,
  kTransform,
  kCheck,
  kLoadWarehouse,
  kReconcile,
  kIngestDatabase,
};
std::string_view to_text(OperationKind kind);
Result<OperationKind> operation_kind_from_text(std::string_view text);
const std::vector<OperationKind>& all_operation_kinds();

/// One object of a pinned input: exactly these bytes, or the operation fails as `corrupt`.
struct PinnedObject {
  std::string uri;   ///< The store's root.
  std::string name;  ///< Under the root.
  int64_t size_bytes = 0;
  std::string sha256;  ///< Empty where nobody recorded one (objects of Hudi tables by others).
  std::optional<int64_t> as_of_us;
  int64_t rows = -1;  ///< From the footer; −1 where unknown (landing files).
  int64_t modified_at_us = 0;
};

/// A dataset at one version, or a slice of it.
struct PinnedInput {
  DatasetName dataset;  ///< Empty for landing files.
  std::string format;   ///< `file`, `parquet`, `hudi`
  std::string uri;      ///< Root of the dataset.
  std::string instant;  ///< hudi: the instant that is read.
  std::optional<int64_t> as_of_us;
  Schema schema;                      ///< Of a dataset: declared and evolved columns.
  std::vector<PinnedObject> objects;  ///< Sorted by name.
};

enum class WriteMode { kAppend, kReplace, kMerge };
std::string_view to_text(WriteMode mode);

struct Target {
  DatasetName dataset;       ///< For load_warehouse: empty.
  std::string uri;           ///< Root of the dataset.
  std::string rejected_uri;  ///< Root of `<dataset>__rejected`, where the hop has one.
  std::string format;        ///< `parquet`, `hudi`, `warehouse`
  WriteMode mode = WriteMode::kAppend;
  Schema schema;  ///< Declared columns; empty: whatever comes, recorded.
  std::vector<std::string> key;
  Contract contract;
  std::string connection_id;
  Json connection_options = Json::object();  ///< Without secrets.
  std::string table;                         ///< In the warehouse.
  Json options = Json::object();             ///< The dataset's own.
};

/// Asked again just before a commit becomes visible: a lease is not a lock.
struct GuardRef {
  std::string lock_uri;  ///< Root of the store that holds the lock object; empty: no guard.
  std::string lock_name;
  int64_t epoch = 0;
};

struct Limits {
  int64_t memory_bytes = 0;  ///< For the whole task; 0: three quarters of the machine's.
  int64_t threads = 0;       ///< 0: all.
  std::string temp_folder;   ///< Empty: the system's.
};

/// Who asked; payload beside the token, never part of it.
struct Origin {
  std::string flow_id;
  std::string task_id;
  std::string run_id;
  int64_t attempt = 1;
  int64_t logical_time_us = 0;  ///< The run's; the same for every attempt.
};

struct Operation {
  OperationKind kind = OperationKind::kCheck;
  std::vector<PinnedInput> inputs;
  Target target;
  Json params = Json::object();  ///< The kind's own, see docs/format/operation.md.
  std::string token;             ///< 64 hex digits; see token_of().
  std::optional<int64_t> as_of_us;
  GuardRef guard;
  Limits limits;
  Origin origin;
  /// Of kind `s3`: how the stores of this operation are reached, by an engine that has no project;
  /// and of kind `aws_secrets_manager`, where their keys are kept. Profiles, roles and secrets by
  /// name; values are fetched by who executes the operation.
  std::vector<Connection> buckets;
  std::string secrets_file;  ///< Sealed secrets of the project; empty where no bucket names one.
};

Json to_json(const Operation& operation);
/// kInvalidData names the field; a `format` other than 1 is kUnsupported.
Result<Operation> operation_from_json(const Json& json);
Json to_json(const PinnedInput& input);
Result<PinnedInput> pinned_input_from_json(const Json& json);

/// What a hop writes into its own commit of what it read: a list with an entry an object, and one
/// for a version without objects. Back it gives inputs without places and schemas.
Json lineage_of(const std::vector<PinnedInput>& inputs);
Result<std::vector<PinnedInput>> inputs_from_lineage(const Json& json);

/// What names this hop for ever: a hash over the kind, the target, the inputs' identities and what
/// of the configuration affects the output. Engine, resources, retries, flow, task, run, attempt,
/// epoch, sizes of stores and weir's version are not in it.
std::string token_of(const Operation& operation);

/// The identity of one input object: its content hash, with the as-of where the dataset says so.
/// 64 hex digits.
std::string identity_of(Identity identity, std::string_view content_sha256,
                        std::optional<int64_t> as_of_us);

}  // namespace weir::model
