#pragma once

/// The two objects that one landing file, or one read of a database, becomes: the raw object and,
/// where rows were refused, the rejected one. Their names derive from the input's identity, their
/// footers tell everything; see the format pages. The rejected object is published first: what no
/// raw object names is not there.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/embedded/ingest_files_cast.h"
#include "engine/engine.h"
#include "engine/file_format.h"
#include "files/record_reader.h"
#include "model/control_sums.h"
#include "parquet/parquet.h"

namespace weir::engine::embedded {

/// What an operation that makes raw objects says, checked.
struct Ingest {
  const model::Operation& operation;
  const Context& context;
  const model::PinnedObject& source;
  storage::Storage* landing = nullptr;
  storage::Storage* raw = nullptr;
  storage::Storage* rejected = nullptr;  ///< nullptr where the target has no rejected_uri.
  FileFormat format = {};
  std::string identity = {};     ///< 64 hex digits
  std::string object_name = {};  ///< Of both objects.
  std::optional<double> max_rejected_percent = {};
  std::optional<int64_t> max_rejected_rows = {};
};

/// kInvalidConfig names the parameter; kUnsupported for formats other than csv.
Result<Ingest> read_ingest(const model::Operation& operation, const Context& context);

/// What the parameters say of how many rows may be refused.
void read_limits(Ingest& ingest);

/// The outcome of an earlier run, read out of the published raw object; nothing where there is
/// none. kConflict where the name is taken by another token.
Result<std::optional<model::Outcome>> find_published(const Ingest& ingest);

/// Writes good rows with their load columns. Not for use from several threads at once.
class RawObject {
 public:
  static Result<std::unique_ptr<RawObject>> create(const Ingest& ingest,
                                                   const model::Schema& schema);
  Status write(const TypedRows& rows);
  int64_t rows() const { return writer_->rows(); }
  /// Publishes it and reads its row count back; kAlreadyExists where the name is taken.
  Result<parquet::WrittenFile> publish(const std::map<std::string, std::string>& footer);

 private:
  explicit RawObject(const Ingest& ingest) : ingest_(ingest) {}
  Status make_constants(int64_t rows);

  const Ingest& ingest_;
  std::shared_ptr<arrow::Schema> schema_;
  std::unique_ptr<parquet::FileWriter> writer_;
  int64_t constant_rows_ = 0;
  std::shared_ptr<arrow::Array> source_file_;
  std::shared_ptr<arrow::Array> run_id_;
  std::shared_ptr<arrow::Array> loaded_at_;
};

/// Writes refused records, and keeps the summary of them. The object is made with the first one.
class RejectedObject {
 public:
  explicit RejectedObject(const Ingest& ingest) : ingest_(ingest) {}
  /// kInvalidConfig where there is something to write and the target has no place for it.
  Status write(const std::vector<files::Reject>& rejects);
  int64_t rows() const { return rows_; }
  std::vector<model::RejectSummary> summary() const;
  /// As RawObject::publish, but an object that an attempt left behind and no raw object names is
  /// accepted where it is this token's, and replaced where it is not.
  Result<parquet::WrittenFile> publish(const std::map<std::string, std::string>& footer);

 private:
  const Ingest& ingest_;
  std::unique_ptr<parquet::FileWriter> writer_;
  int64_t rows_ = 0;
  std::map<std::pair<std::string, std::string>, int64_t> counts_;
};

/// What went through, before anything is published.
struct Ingested {
  files::ReadSummary summary;
  files::ColumnPlan plan;
  model::Counts counts;
  model::HopSums sums;
  std::vector<model::RejectSummary> rejects;
  Json details = Json::object();
  std::vector<std::string> warnings;
  std::map<std::string, std::string> footer;  ///< Beside what every object says of itself.
};

/// kCheckFailed where more rows were refused than the parameters allow.
Status check_limits(const Ingest& ingest, const Ingested& ingested);

/// Rejected object first, then the raw one that names it; the outcome is read back from the latter.
Result<model::Outcome> publish(const Ingest& ingest, const Ingested& ingested, RawObject& raw,
                               RejectedObject& rejected);

}  // namespace weir::engine::embedded
