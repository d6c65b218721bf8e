#include "task/define.h"

#include "base/pattern.h"
#include "engine/file_format.h"

namespace weir::templates {
namespace {

using model::Operation;

struct Params {
  std::string from;
  std::string as_of;
  model::DatasetName to;
  Json format = {{"csv", {{"header", true}}}};
  std::optional<double> max_rejected_percent;
  std::optional<int64_t> max_rejected_rows;
};

/// One operation per landing file: one file, one object, one commit.
Result<std::vector<Operation>> plan(const Params& params, const task::Inputs& inputs) {
  std::vector<Operation> operations;
  for (const auto& hop : inputs.hops) {
    Operation operation;
    operation.kind = model::OperationKind::kIngestFiles;
    operation.inputs = hop.inputs;
    operation.as_of_us = hop.as_of_us;
    operation.target = inputs.target;
    operation.target.format = "parquet";
    operation.target.mode = model::WriteMode::kAppend;
    operation.params = {{"format", params.format}};
    if (params.max_rejected_percent)
      operation.params["max_rejected_percent"] = *params.max_rejected_percent;
    if (params.max_rejected_rows) operation.params["max_rejected_rows"] = *params.max_rejected_rows;
    operations.push_back(std::move(operation));
  }
  return operations;
}

Status check(const Params& params) {
  if (!params.as_of.empty()) {
    WEIR_ASSIGN(const auto pattern, Pattern::compile(params.as_of));
    const auto& names = pattern.group_names();
    if (std::ranges::find(names, "as_of") == names.end())
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("parameter 'as_of' is '{}', without a group of that name", params.as_of),
          "name the group: 'airports-(?<as_of>\\d{8})'");
  }
  // A variable is looked at once its value is known.
  if (dump_json(params.format).find("${") != std::string::npos) return {};
  WEIR_TRY(engine::read_file_format(params.format));
  return {};
}

}  // namespace

task::Template ingest_files() {
  return task::Define<Params>("ingest_files", "Turns landing files into raw Parquet objects.")
      .consumes_files("from", &Params::from, "Landing files, as layer/glob.")
      .produces("to", &Params::to, "Raw dataset that takes one object per file.")
      .optional("as_of", &Params::as_of,
                "Pattern over the file name with a group as_of: the time that a snapshot shows.",
                task::typed(task::ParamType::kPattern))
      .optional("format", &Params::format,
                "How the files are written: csv with header, delimiter, quote, escape, comment, "
                "encoding, null, quoted_null, skip_lines, timezone, decimal_separator, "
                "max_record_bytes, and rename (name in the header: name of the column); or json "
                "with records (JSON path of the array of records), lines (one record a line), "
                "columns (name of the column: JSON path in the record), timezone, max_file_bytes "
                "and max_record_bytes.")
      .optional("max_rejected_percent", &Params::max_rejected_percent,
                "Fails the file, with nothing published, if more of its rows are rejected.",
                task::in_range(0, 100))
      .optional("max_rejected_rows", &Params::max_rejected_rows,
                "Fails the file, with nothing published, if more rows are rejected.",
                task::in_range(0, 1e15))
      .example("Every release of the airport directory, dated by its name.",
               {{"from", "landing/airports-*.csv"},
                {"as_of", "airports-(?<as_of>\\d{8})"},
                {"to", "raw.airports"}})
      .check(check)
      .plan(model::OperationKind::kIngestFiles, task::Batching::kEachFile, plan);
}

}  // namespace weir::templates
