#include "reconcile/reconcile.h"

#include <algorithm>

namespace weir::reconcile {
namespace {

constexpr std::string_view kRestoreHint =
    "bring it back from a copy; or remove it, accept that with `weir doctor --heal`, and run the "
    "flow again: the hop then writes it anew from its input";

std::string number(int64_t value) { return fmt::format("{}", value); }

/// Collects what is wrong with one hop.
class Judge {
 public:
  Judge(const Hop& hop, const std::vector<Hop>& chain) : hop_(hop), chain_(chain) {}

  std::vector<Verdict> verdicts() {
    for (const auto& object : hop_.objects) judge_object(object);
    judge_rows();
    judge_quarantine();
    judge_counts();
    for (const auto& input : hop_.inputs) judge_input(input);
    judge_input_sum();
    for (const auto& control : hop_.controls)
      if (control.in != control.out)
        add(ErrorCode::kCheckFailed, "control_differs",
            fmt::format("{} is not the same before and after the hop", control.name), control.in,
            control.out);
    if (verdicts_.empty()) verdicts_.push_back(Verdict{.hop = hop_.name, .message = summary()});
    return std::move(verdicts_);
  }

 private:
  void add(ErrorCode code, std::string reason, std::string message, std::string expected,
           std::string found, std::string_view hint = "") {
    verdicts_.push_back(Verdict{.hop = hop_.name,
                                .is_ok = false,
                                .code = code,
                                .reason = std::move(reason),
                                .message = std::move(message),
                                .expected = std::move(expected),
                                .found = std::move(found),
                                .hint = std::string(hint)});
  }

  std::string summary() const {
    std::string text =
        hop_.counts ? equation_text(*hop_.counts) : std::string("objects are as recorded");
    for (const auto& control : hop_.controls)
      if (control.is_shown) text += fmt::format("; {} = {}", control.name, control.in);
    return text;
  }

  void judge_object(const Object& object) {
    if (!object.found.is_there)
      return add(ErrorCode::kCorrupt, "object_missing",
                 fmt::format("object '{}' is not there", object.name), "present", "missing",
                 kRestoreHint);
    if (!object.found.fault.empty())
      return add(ErrorCode::kCorrupt, "object_unreadable",
                 fmt::format("object '{}' cannot be read: {}", object.name, object.found.fault),
                 "a whole file", "a broken one", kRestoreHint);
    for (const auto& record : object.records)
      if (judge_record(object, record, "object_changed", "rows_differ")) return;
  }

  /// Compares what was recorded with what is found; true where something differs.
  bool judge_record(const Object& object, const Record& record, std::string_view changed,
                    std::string_view rows_differ) {
    const auto& found = object.found;
    if (record.rows >= 0 && found.rows >= 0 && record.rows != found.rows)
      add(ErrorCode::kCorrupt, std::string(rows_differ),
          fmt::format("object '{}' has {} rows; {} says {}", object.name, found.rows, record.by,
                      record.rows),
          number(record.rows), number(found.rows), kRestoreHint);
    else if (record.size_bytes >= 0 && found.size_bytes >= 0 &&
             record.size_bytes != found.size_bytes)
      add(ErrorCode::kCorrupt, std::string(changed),
          fmt::format("object '{}' has {} bytes; {} says {}", object.name, found.size_bytes,
                      record.by, record.size_bytes),
          number(record.size_bytes), number(found.size_bytes), kRestoreHint);
    else if (!record.sha256.empty() && !found.sha256.empty() && record.sha256 != found.sha256)
      add(ErrorCode::kCorrupt, std::string(changed),
          fmt::format("object '{}' has other content than {} says", object.name, record.by),
          "sha256 " + record.sha256, "sha256 " + found.sha256, kRestoreHint);
    else
      return false;
    return true;
  }

  /// The rows that the hop's objects hold now, or −1 where one of them does not say.
  int64_t rows_found() const {
    if (hop_.rows_counted >= 0) return hop_.rows_counted;
    if (hop_.objects.empty()) return -1;
    int64_t rows = 0;
    for (const auto& object : hop_.objects) {
      if (!object.found.is_there || object.found.rows < 0) return -1;
      rows += object.found.rows;
    }
    return rows;
  }

  void judge_rows() {
    // What is wrong with one object has been said; the sum would only say it again.
    if (!verdicts_.empty()) return;
    const int64_t found = rows_found();
    if (hop_.rows_published < 0 || found < 0 || found == hop_.rows_published) return;
    add(ErrorCode::kCorrupt, "rows_differ",
        fmt::format("it published {} rows and has {}", hop_.rows_published, found),
        number(hop_.rows_published), number(found),
        "run the flow again where the target was changed by hand");
  }

  void judge_quarantine() {
    int64_t rows = 0;
    bool all_known = true;
    const size_t before = verdicts_.size();
    for (const auto& object : hop_.rejected) {
      if (!object.found.is_there) {
        add(ErrorCode::kCorrupt, "quarantine_missing",
            fmt::format("quarantine object '{}' is not there", object.name), "present", "missing",
            kRestoreHint);
      } else if (!object.found.fault.empty()) {
        add(ErrorCode::kCorrupt, "quarantine_differs",
            fmt::format("quarantine object '{}' cannot be read: {}", object.name,
                        object.found.fault),
            "a whole file", "a broken one", kRestoreHint);
      } else {
        for (const auto& record : object.records)
          if (judge_record(object, record, "quarantine_differs", "quarantine_differs")) break;
        all_known = all_known && object.found.rows >= 0;
        rows += object.found.rows;
      }
    }
    if (verdicts_.size() != before || !hop_.counts) return;
    if (hop_.counts->rejected > 0 && hop_.rejected.empty())
      add(ErrorCode::kCorrupt, "quarantine_missing",
          fmt::format("{} rows were rejected and no quarantine object keeps them",
                      hop_.counts->rejected),
          number(hop_.counts->rejected), "0", kRestoreHint);
    else if (all_known && !hop_.rejected.empty() && rows != hop_.counts->rejected)
      add(ErrorCode::kCorrupt, "quarantine_differs",
          fmt::format("{} rows were rejected and quarantine keeps {}", hop_.counts->rejected, rows),
          number(hop_.counts->rejected), number(rows), kRestoreHint);
  }

  void judge_counts() {
    if (!hop_.counts && !hop_.must_have_counts) return;
    if (!hop_.counts) {
      add(ErrorCode::kCheckFailed, "counts_missing", "its commit says no counts", "counts", "none",
          "another program wrote it: load it again with weir to have it counted");
      return;
    }
    const auto& counts = *hop_.counts;
    if (!counts.is_closed()) {
      const auto accounted = counts.inserted + counts.updated_in_place + counts.rejected +
                             counts.deduplicated + counts.unchanged + counts.filtered;
      add(ErrorCode::kCheckFailed, "counts_open",
          fmt::format("its counts do not close: {}", equation_text(counts)), number(counts.in),
          number(accounted));
    }
    if (hop_.input_rows_counted >= 0 && hop_.input_rows_counted != counts.in)
      add(ErrorCode::kCheckFailed, "input_differs",
          fmt::format("its input has {} records now and {} were taken in", hop_.input_rows_counted,
                      counts.in),
          number(hop_.input_rows_counted), number(counts.in),
          "the landing file was changed after it was loaded, or records were lost");
  }

  const Hop* find(std::string_view name) const {
    const auto found = std::ranges::find(chain_, name, &Hop::name);
    return found == chain_.end() ? nullptr : &*found;
  }

  void judge_input(const Input& input) {
    const Hop* before = find(input.hop);
    if (before == nullptr)
      return add(ErrorCode::kCheckFailed, "input_unknown",
                 fmt::format("it read '{}', of which nothing is recorded", input.hop), input.hop,
                 "nothing", "rebuild what is recorded: `weir doctor --heal`");
    if (input.rows < 0 || before->rows_published < 0 || input.rows == before->rows_published)
      return;
    add(ErrorCode::kCheckFailed, "input_differs",
        fmt::format("it took {} rows from '{}', which published {}", input.rows, input.hop,
                    before->rows_published),
        number(before->rows_published), number(input.rows),
        "run the flow again: the hop takes in what was published");
  }

  void judge_input_sum() {
    if (!hop_.takes_every_row || hop_.inputs.empty() || !hop_.counts) return;
    int64_t rows = 0;
    for (const auto& input : hop_.inputs) {
      if (input.rows < 0) return;
      rows += input.rows;
    }
    if (rows == hop_.counts->in) return;
    add(ErrorCode::kCheckFailed, "input_differs",
        fmt::format("its inputs have {} rows and {} were taken in", rows, hop_.counts->in),
        number(rows), number(hop_.counts->in));
  }

  const Hop& hop_;
  const std::vector<Hop>& chain_;
  std::vector<Verdict> verdicts_;
};

}  // namespace

std::vector<Verdict> judge(const std::vector<Hop>& chain) {
  std::vector<Verdict> all;
  for (const auto& hop : chain)
    for (auto& verdict : Judge(hop, chain).verdicts()) all.push_back(std::move(verdict));
  return all;
}

const Verdict* first_fault(const std::vector<Verdict>& verdicts) {
  const auto found = std::ranges::find(verdicts, false, &Verdict::is_ok);
  return found == verdicts.end() ? nullptr : &*found;
}

Status to_status(const std::vector<Verdict>& verdicts) {
  const Verdict* fault = first_fault(verdicts);
  if (fault == nullptr) return {};
  const auto faults = std::ranges::count(verdicts, false, &Verdict::is_ok);
  auto message = fmt::format("hop '{}' does not close: {}", fault->hop, fault->message);
  if (faults > 1) message += fmt::format(" (and {} more faults)", faults - 1);
  return fail_with_hint(fault->code, std::move(message), fault->hint);
}

std::string to_text(const std::vector<Verdict>& verdicts) {
  std::string text;
  for (const auto& verdict : verdicts) {
    if (verdict.is_ok) {
      text += fmt::format("ok      {}: {}\n", verdict.hop, verdict.message);
      continue;
    }
    text += fmt::format("BROKEN  {}: {} [{}, {}]\n        expected {}, found {}\n", verdict.hop,
                        verdict.message, weir::to_text(verdict.code), verdict.reason,
                        verdict.expected, verdict.found);
    if (!verdict.hint.empty()) text += fmt::format("        help: {}\n", verdict.hint);
  }
  return text;
}

Json to_json(const Verdict& verdict) {
  Json json = {{"hop", verdict.hop}, {"ok", verdict.is_ok}, {"message", verdict.message}};
  if (verdict.is_ok) return json;
  json["code"] = weir::to_text(verdict.code);
  json["reason"] = verdict.reason;
  json["expected"] = verdict.expected;
  json["found"] = verdict.found;
  if (!verdict.hint.empty()) json["hint"] = verdict.hint;
  return json;
}

std::string equation_text(const model::Counts& counts) {
  std::vector<std::string> parts;
  const auto part = [&](int64_t rows, std::string_view what) {
    if (rows != 0) parts.push_back(fmt::format("{} {}", rows, what));
  };
  part(counts.inserted, "inserted");
  part(counts.updated_in_place, "updated in place");
  part(counts.rejected, "rejected");
  part(counts.deduplicated, "deduplicated");
  part(counts.unchanged, "unchanged");
  part(counts.filtered, "filtered");
  if (parts.empty()) parts.emplace_back("0");
  return fmt::format("in {} {} {}", counts.in, counts.is_closed() ? "=" : "≠",
                     fmt::join(parts, " + "));
}

}  // namespace weir::reconcile
