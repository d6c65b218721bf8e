#pragma once

/// Reads one delimited file of a store, once, from its first byte to its last: records that keep
/// the structure become Arrow batches of text, one column for each that is loaded; the others
/// become rejects with their place and bytes. The same bytes are hashed and counted on the way, so
/// what was loaded is what the hash says. Casting text to types is the engine's business.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/record_batch.h>

#include "base/digest.h"
#include "base/result.h"
#include "files/dialect.h"
#include "files/header.h"
#include "files/record_reader.h"
#include "files/record_scanner.h"
#include "files/record_splitter.h"
#include "files/reject.h"
#include "files/value_form.h"
#include "model/configuration.h"
#include "storage/storage.h"

namespace weir::files {

struct ReadOptions {
  Dialect dialect;
  model::Schema declared;  ///< Empty: all columns as varchar.
  model::ColumnPolicy columns = model::ColumnPolicy::kEvolve;
  int64_t block_bytes = 4 << 20;  ///< Read at a time.
  int64_t batch_bytes = 2 << 20;  ///< Of text in a batch.
  int64_t batch_rows = int64_t{32} * 1024;
  int64_t chunk_batches = 8;
};

class TextBatch;

/// Not for use from several threads at once.
class CsvReader final : public RecordReader {
 public:
  /// Reads up to the header. kNotFound; kInvalidData for an empty file, a header that cannot be, an
  /// encoding that was not declared; kSchemaDrift by contract.
  static Result<std::unique_ptr<CsvReader>> open(storage::Storage& store, std::string name,
                                                 ReadOptions options);

  const ColumnPlan& plan() const override { return plan_; }
  const Dialect& dialect() const { return options_.dialect; }
  const std::string& timezone() const override { return options_.dialect.timezone; }
  char decimal_separator() const override { return options_.dialect.decimal_separator; }
  Json describe() const override { return to_json(options_.dialect); }
  std::string values_of(std::string_view raw) const override;
  /// The next chunk; nothing at the end. kInvalidData for a record that never ends; kInvalidConfig
  /// for a timestamp without a zone where none is declared.
  Result<std::optional<Chunk>> next() override;
  const ReadSummary& summary() const override { return summary_; }

 private:
  CsvReader(storage::Storage& store, std::string name, ReadOptions options);
  Status start();
  Status read_header();
  Status skip_preamble();
  Status refill();
  Status finish();
  void take_window();
  void pass_over(const Record& record);
  RecordPlace place_of(const Record& record);
  Status take_record(const Record& record, Chunk& chunk, TextBatch& batch);
  std::optional<Reject> check_structure(const Record& record) const;
  std::optional<Reject> check_text(const Record& record);
  std::optional<Reject> take_values(const Record& record, TextBatch& batch);
  Reject reject_of(const Record& record, const RecordPlace& place, Reject what) const;
  bool is_null(const Field& field, std::string_view text) const {
    if (text.empty())
      return empty_is_null_ && !(field.is_quoted && options_.dialect.quoted_is_text);
    return !other_nulls_.empty() && is_other_null(field, text);
  }
  bool is_other_null(const Field& field, std::string_view text) const;
  Status too_long() const;

  storage::Storage& store_;
  std::string name_;
  ReadOptions options_;
  Encoding encoding_ = Encoding::kUtf8;
  Decoder decoder_{Encoding::kUtf8};
  RecordSplitter splitter_{Dialect{}};
  RecordScanner scanner_{Dialect{}};
  ColumnPlan plan_;
  std::vector<ValueForm> forms_;
  bool empty_is_null_ = false;
  std::vector<std::string> other_nulls_;

  std::string window_;  // decoded text, and some bytes of slack behind it
  size_t window_size_ = 0;
  size_t scanned_ = 0;  // of the window, by the scanner
  bool is_ascii_ = true;
  bool is_last_ = false;
  bool is_finished_ = false;
  int64_t read_at_ = 0;  // in the file
  Sha256 digest_;

  int64_t place_ = 0;  // of the next record, in the file's own bytes
  int64_t line_ = 1;
  int64_t record_ = 0;
  Record record_buffer_;
  std::string text_buffer_;
  int64_t bad_text_ = 0;        // records that are no UTF-8
  bool has_good_text_ = false;  // a record with characters beyond ASCII that are UTF-8
  bool looks_western_ = true;
  ReadSummary summary_;
};

/// `records` as text columns of the raw bytes of one record: the JSON of `values` in the rejected
/// dataset, as far as it could be split.
std::string values_of(const ColumnPlan& plan, const RecordSplitter& splitter, const Record& record);

}  // namespace weir::files
