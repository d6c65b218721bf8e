// Rules over one dataset at its pinned version. Every rule is run, so a person sees all that is
// broken at once. Custody: `in` are the rows of the footers, `unchanged` those that the rules were
// run over.

#include "engine/embedded/executors.h"
#include "engine/embedded/pinned.h"
#include "engine/embedded/rules.h"
#include "model/outcome.h"
#include "sql/user_query.h"

namespace weir::engine::embedded {
namespace {

constexpr int64_t kExamples = 5;
constexpr size_t kBrokenNamed = 10;

enum class Severity { kFail, kWarn };

Result<Severity> severity_of(const Json& params) {
  WEIR_ASSIGN(const Json text, json_field_or<Json>(params, "severity", "fail"));
  if (text == "fail") return Severity::kFail;
  if (text == "warn") return Severity::kWarn;
  return fail(ErrorCode::kInvalidConfig, "severity {} is neither fail nor warn", dump_json(text));
}

struct RuleResult {
  std::string rule;
  int64_t broken_rows = 0;
  bool is_broken = false;
  Json examples = Json::array();
};

Json to_json(const RuleResult& result) {
  return {{"rule", result.rule},
          {"passed", !result.is_broken},
          {"broken_rows", result.broken_rows},
          {"examples", result.examples}};
}

/// Rows as objects of texts, NULLs as null.
Json rows_as_json(const sql::TextResult& result) {
  Json rows = Json::array();
  for (const auto& row : result.rows) {
    Json object = Json::object();
    for (size_t i = 0; i < row.size(); ++i)
      object[result.names[i]] = row[i] ? Json(*row[i]) : Json();
    rows.push_back(std::move(object));
  }
  return rows;
}

/// What a user wrote is taken through the same door as every SQL of users.
Status admit(const Rule& rule, const Operation& operation) {
  if (!rule.is_user_sql) return {};
  WEIR_ASSIGN(const auto query, sql::read_user_query(rule.broken));
  for (const auto& dataset : query.datasets) {
    bool is_pinned = false;
    for (const auto& input : operation.inputs) is_pinned |= input.dataset == dataset;
    if (!is_pinned)
      return fail_with_hint(
          ErrorCode::kInvalidConfig,
          fmt::format("the rule's SQL reads {}, which this check does not check", dataset.text()),
          "join other datasets in a transform, and check its result");
  }
  return {};
}

Result<RuleResult> run_rule(const Rule& rule, int64_t rows, size_t number, sql::Session& session) {
  RuleResult result{.rule = rule.text};
  if (rule.broken.empty()) {
    const bool too_few = rule.least_rows >= 0 && rows < rule.least_rows;
    const bool too_many = rule.most_rows >= 0 && rows > rule.most_rows;
    result.is_broken = too_few || too_many;
    if (too_few) result.broken_rows = rule.least_rows - rows;
    if (too_many) result.broken_rows = rows - rule.most_rows;
    if (result.is_broken) result.examples.push_back({{"rows", fmt::format("{}", rows)}});
    return result;
  }
  // A view takes whatever ends the user's text: a comment, a semicolon.
  const auto view = fmt::format("_weir_rule_{}", number);
  WEIR_TRY(session.run(fmt::format("CREATE TEMP VIEW {} AS {}", view, rule.broken)));
  WEIR_ASSIGN(result.broken_rows,
              session.query_number(fmt::format("SELECT {} FROM {}", rule.rows_of, view)));
  result.is_broken = result.broken_rows > 0;
  if (!result.is_broken) return result;
  WEIR_ASSIGN(const auto examples, session.query(fmt::format(
                                       "SELECT * FROM {} ORDER BY ALL LIMIT {}", view, kExamples)));
  result.examples = rows_as_json(examples);
  return result;
}

std::string describe(const RuleResult& result, const std::string& dataset) {
  auto text =
      fmt::format("rule {} on {}: {} it", result.rule, dataset,
                  result.broken_rows == 1 ? std::string("1 row breaks")
                                          : fmt::format("{} rows break", result.broken_rows));
  if (result.rule.starts_with("min_rows") || result.rule.starts_with("max_rows"))
    return fmt::format("rule {} on {}: it has {} rows", result.rule, dataset,
                       result.examples[0]["rows"].get<std::string>());
  if (!result.examples.empty()) text += ", the first: " + dump_json(result.examples[0]);
  return text;
}

Status broken(const std::vector<std::string>& descriptions) {
  std::string message;
  for (size_t i = 0; i < descriptions.size() && i < kBrokenNamed; ++i)
    message += (i == 0 ? "" : "; ") + descriptions[i];
  if (descriptions.size() > kBrokenNamed)
    message += fmt::format("; and {} more rules", descriptions.size() - kBrokenNamed);
  return fail_with_hint(ErrorCode::kCheckFailed, std::move(message),
                        "mend the data or the rule; `severity: warn` lets the flow go on");
}

}  // namespace

Result<Outcome> check(const Operation& operation, const Context& context) {
  if (operation.inputs.size() != 1)
    return fail(ErrorCode::kInternal, "a check has one input, not {}", operation.inputs.size());
  WEIR_ASSIGN(const auto severity, severity_of(operation.params));
  WEIR_ASSIGN(const auto readings, open_readings(operation, context));
  const auto& view = readings.inputs[0].view;
  const auto dataset = view.dataset.text();
  const auto relation =
      model::quote_name(view.dataset.layer) + "." + model::quote_name(view.dataset.name);
  WEIR_ASSIGN(const auto rule_list, json_field<Json>(operation.params, "rules"));
  WEIR_ASSIGN(const auto rules, read_rules(rule_list, relation, view.schema));

  Outcome outcome;
  outcome.counts.in = readings.rows();
  WEIR_ASSIGN(outcome.counts.unchanged,
              readings.session->query_number("SELECT count(*) FROM " + relation));
  outcome.counts.out = outcome.counts.unchanged;
  if (!outcome.counts.is_closed())
    return fail(ErrorCode::kCheckFailed, "{} has {} rows by its footers and {} when they are read",
                dataset, outcome.counts.in, outcome.counts.unchanged);

  Json results = Json::array();
  std::vector<std::string> descriptions;
  for (const auto& rule : rules) {
    WEIR_TRY(context.cancel->check());
    WEIR_TRY(admit(rule, operation));
    WEIR_ASSIGN(const auto result,
                while_doing(run_rule(rule, outcome.counts.out, results.size(), *readings.session),
                            fmt::format("running rule {} on {}", rule.text, dataset)));
    results.push_back(to_json(result));
    if (result.is_broken) descriptions.push_back(describe(result, dataset));
  }
  if (!descriptions.empty() && severity == Severity::kFail)
    return std::unexpected(broken(descriptions).error());
  outcome.warnings = descriptions;
  outcome.details = {{"rules", std::move(results)},
                     {"lineage", model::lineage_of(operation.inputs)}};
  return outcome;
}

}  // namespace weir::engine::embedded
