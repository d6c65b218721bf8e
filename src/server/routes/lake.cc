#include <algorithm>

#include "server/routes.h"

namespace weir::server {
namespace {

constexpr size_t kShownPublications = 100;

Json hold_json(const catalog::HoldLine& line) {
  const catalog::Hold& hold = line.hold;
  return {{"token", hold.token},
          {"run_id", hold.run_id},
          {"flow_id", line.flow_id},
          {"task_id", hold.task_id},
          {"target", hold.target.empty() ? "" : hold.target.text()},
          {"reason", hold.reason},
          {"message", hold.message},
          {"facts", hold.facts.is_null() ? Json::object() : hold.facts},
          {"state", hold.state},
          {"created_at", instant_json(hold.created_at_us)}};
}

Result<Answer> rejected_rows(const Call& call, const std::string& run_id) {
  WEIR_ASSIGN(const auto lines, call.catalog().overview().rejected_lines(
                                    call.visible(), run_id, call.number("limit", 200)));
  Json list = Json::array();
  for (const auto& line : lines)
    list.push_back({{"run_id", line.run_id},
                    {"flow_id", line.flow_id},
                    {"task_id", line.task_id},
                    {"dataset", line.dataset},
                    {"reason", line.reason},
                    {"column", line.column},
                    {"rows", line.row_count},
                    {"created_at", instant_json(line.created_at_us)}});
  return json_answer({{"rejected_rows", std::move(list)}});
}

Result<Answer> decide(const Call& call, std::string_view what,
                      const std::function<Status(const std::string&, const std::string&)>& act) {
  if (!act) return not_served(what);
  const std::string& token = call.hold->hold.token;
  WEIR_TRY(act(token, call.caller.author));
  WEIR_ASSIGN(const auto now, call.catalog().overview().hold_line(token));
  return json_answer(hold_json(now));
}

}  // namespace

Result<Answer> list_datasets(const Call& call) {
  const int64_t limit = call.number("limit", 100);
  WEIR_ASSIGN(const std::string after, read_name_cursor(call));
  WEIR_ASSIGN(const auto lines,
              call.catalog().overview().dataset_lines(call.visible(), after, limit));
  Json list = Json::array();
  for (const auto& line : lines)
    list.push_back({{"dataset", line.dataset},
                    {"format", line.format},
                    {"identity", line.identity},
                    {"is_declared", line.is_declared},
                    {"publication_count", line.publication_count},
                    {"published_at", instant_json(line.published_at_us)}});
  const bool is_full = static_cast<int64_t>(lines.size()) == limit;
  return page_answer("datasets", std::move(list),
                     is_full ? write_cursor(Json::array({lines.back().dataset})) : "");
}

Result<Answer> get_dataset(const Call& call) {
  WEIR_ASSIGN(const auto name, model::parse_dataset_name(call.path.at("dataset")));
  WEIR_ASSIGN(const auto schema, call.catalog().recorded_schema(name));
  WEIR_ASSIGN(auto publications, call.catalog().publications(name));
  const size_t count = publications.size();
  std::ranges::reverse(publications);
  if (count > kShownPublications) publications.resize(kShownPublications);
  Json list = Json::array();
  for (const auto& each : publications)
    list.push_back({{"token", each.token},
                    {"object_name", each.object_name},
                    {"instant", each.instant},
                    {"rows", each.rows},
                    {"size_bytes", each.size_bytes},
                    {"as_of", each.as_of_us ? instant_json(*each.as_of_us) : Json()},
                    {"source_name", each.source_name},
                    {"run_id", each.run_id}});
  return json_answer({{"dataset", name.text()},
                      {"schema", schema ? model::to_json(*schema) : Json()},
                      {"publications", std::move(list)},
                      {"publication_count", count}});
}

Result<Answer> list_rejected_rows(const Call& call) { return rejected_rows(call, ""); }

Result<Answer> list_rejected_rows_of_run(const Call& call) {
  return rejected_rows(call, call.run->run_id);
}

Result<Answer> list_holds(const Call& call) {
  WEIR_ASSIGN(const auto lines, call.catalog().overview().hold_lines(
                                    call.visible(), call.text("state"), call.number("limit", 200)));
  Json list = Json::array();
  for (const auto& line : lines) list.push_back(hold_json(line));
  return json_answer({{"holds", std::move(list)}});
}

Result<Answer> get_hold(const Call& call) { return json_answer(hold_json(*call.hold)); }

Result<Answer> approve_hold(const Call& call) {
  return decide(call, "approve holds", call.ground->actions->approve);
}

Result<Answer> reject_hold(const Call& call) {
  return decide(call, "reject holds", call.ground->actions->reject);
}

}  // namespace weir::server
