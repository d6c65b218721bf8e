#pragma once

/// Does every hop of a chain close, and if not, which one and why? Pure verdicts over facts: what
/// commits, footers and publications recorded, beside what is found now. Whoever calls collects the
/// facts (the lake's use cases, an operation); nothing is read here.
///
/// A chain runs landing → raw → stage → presentation → warehouse, but nothing here knows layers: a
/// hop has objects, counts and the hops that it read from.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/outcome.h"

namespace weir::reconcile {

/// What somebody wrote down about an object when it was made or read. −1 and empty: not recorded.
struct Record {
  std::string by;  ///< `its footer`, `commit 20220512000000000`, `the catalog`
  int64_t size_bytes = -1;
  std::string sha256 = {};
  int64_t rows = -1;
};

/// What is there now. −1 and empty: not looked at, and then not judged.
struct Found {
  bool is_there = true;
  std::string fault = {};  ///< Why it could not be read; empty where it could.
  int64_t size_bytes = -1;
  std::string sha256 = {};
  int64_t rows = -1;
};

struct Object {
  std::string name;
  std::vector<Record> records = {};
  Found found = {};
};

/// The rows that a hop took from another one.
struct Input {
  std::string hop;    ///< Name of a hop of the chain.
  int64_t rows = -1;  ///< As pinned when it was read.
};

/// A sum over a control column, or a digest over keys, on both sides of a hop.
struct Control {
  std::string name;  ///< `sum(amount)`, `keys`
  std::string in;
  std::string out;
  bool is_shown = false;  ///< Told of a hop that closes, beside its counts.
};

/// One publication of one dataset and what it was made from.
struct Hop {
  std::string name;  ///< `raw.airports airports-20220512.csv`: unique in a chain
  std::optional<model::Counts> counts = {};
  std::vector<Object> objects = {};   ///< What it published.
  std::vector<Object> rejected = {};  ///< Where its rejected rows lie.
  std::vector<Input> inputs = {};
  /// Rows its objects must hold together: the counts' `inserted` for a raw object, `out` for a
  /// table that is replaced or merged. −1: not known.
  int64_t rows_published = -1;
  /// Rows in its objects when they are counted now by other means than their own footers (a query,
  /// the warehouse). −1: the sum over the objects found.
  int64_t rows_counted = -1;
  /// Rows of its input when that is counted again now (the record scanner over a landing file).
  /// −1: the input is gone or another hop.
  int64_t input_rows_counted = -1;
  /// Whether `counts.in` is the sum over the inputs; not so where a query computes something new.
  bool takes_every_row = true;
  /// Whether a commit without counts is a fault; not so where only objects are looked at.
  bool must_have_counts = true;
  std::vector<Control> controls = {};
};

struct Verdict {
  std::string hop;
  bool is_ok = true;
  ErrorCode code = ErrorCode::kInternal;  ///< Meaningful only where not ok.
  std::string reason = {};                ///< Stable: see `judge`.
  std::string message = {};               ///< For a person; names the hop's object.
  std::string expected = {};
  std::string found = {};
  std::string hint = {};
};

/// One verdict for a hop that closes, or one for each thing that is wrong with it, in the order of
/// the chain and, within a hop, of this list:
///   object_missing, object_unreadable, object_changed (size or hash), rows_differ (an object or
///   the whole target), quarantine_missing, quarantine_differs (all corrupt), counts_missing,
///   counts_open (check_failed), input_unknown, input_differs, control_differs (check_failed).
std::vector<Verdict> judge(const std::vector<Hop>& chain);

/// The first verdict that is not ok: where to look first. Null where all is well.
const Verdict* first_fault(const std::vector<Verdict>& verdicts);

/// The first fault as an error, with the number of the others; good where all is well.
Status to_status(const std::vector<Verdict>& verdicts);

/// A line a verdict, for people.
std::string to_text(const std::vector<Verdict>& verdicts);
Json to_json(const Verdict& verdict);

/// `in 5 = 4 inserted + 1 rejected`: what is not zero.
std::string equation_text(const model::Counts& counts);

}  // namespace weir::reconcile
