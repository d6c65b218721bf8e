#include <filesystem>
#include <ostream>

#include "cli/commands.h"
#include "cli/open_lake.h"
#include "cli/project.h"
#include "cli/table_text.h"
#include "inputs/locations.h"
#include "lake/chain.h"
#include "schedule/zone.h"

namespace weir::cli {
namespace {

struct Finding {
  std::string what;
  bool is_good = true;
  std::string says;
};

Finding of(const std::string& what, const Status& status, const std::string& good) {
  if (status) return {what, true, good};
  std::string says = status.error().message;
  if (!status.error().hint.empty()) says += fmt::format(" ({})", status.error().hint);
  return {what, false, std::move(says)};
}

/// A layer must be a folder that we can write to; one that is not there yet is made when needed.
Finding look_at_layer(Session& session, const model::Layer& layer) {
  const auto uri = inputs::absolute_uri(session.folder(), layer.uri);
  const std::string what = fmt::format("layer {}", layer.name);
  auto store = session.stores().open(uri);
  if (!store) return {what, false, store.error().message};
  auto listed = (*store)->list("", "");
  if (!listed) return {what, false, listed.error().message};
  return {what, true, uri};
}

/// What schedules are computed with. A machine without is no fault: UTC needs none.
Finding look_at_time_zones() {
  const std::string release = schedule::tzdata_version();
  if (!release.empty()) return {"time zones", true, "tzdata " + release};
  const bool has_some = schedule::Zones().find("Etc/UTC").has_value();
  return {"time zones", true,
          has_some ? "of a release that is not named" : "only UTC: there is no tzdata"};
}

Result<int> doctor(Session& session, bool heals) {
  std::vector<Finding> findings;
  findings.push_back(
      {"weir", true,
       fmt::format("{}, DuckDB {}", session.wiring().version, session.wiring().engine_version)});
  findings.push_back(look_at_time_zones());
  findings.push_back({"project", true, session.folder()});
  auto url = session.catalog_url();
  auto opened = url ? session.catalog() : Result<catalog::Catalog*>(std::unexpected(url.error()));
  findings.push_back(of("catalog", opened ? Status{} : Status(std::unexpected(opened.error())),
                        opened ? (*opened)->url() : ""));
  auto faults = check_project(session);
  if (!faults)
    findings.push_back({"configuration", false, faults.error().message});
  else if (!faults->empty())
    findings.push_back({"configuration", false,
                        fmt::format("{} faults; `weir validate` shows them", faults->size())});
  else
    findings.push_back({"configuration", true, "good"});
  const auto open = open_lake(session);
  if (open) {
    for (const auto& layer : (*open)->configuration.layers)
      findings.push_back(look_at_layer(session, layer));
  }
  if (heals && opened && open) {
    WEIR_ASSIGN(const auto healed, lake::heal_catalog((*open)->lake, **opened));
    std::string says =
        fmt::format("{} publications of the lake are in the catalog", healed.publications);
    if (healed.forgotten > 0)
      says += fmt::format("; {} that the lake has no more are forgotten", healed.forgotten);
    findings.push_back({"heal", true, std::move(says)});
  }
  bool is_well = true;
  std::vector<std::vector<std::string>> rows;
  Json list = Json::array();
  for (const auto& finding : findings) {
    is_well = is_well && finding.is_good;
    rows.push_back({finding.is_good ? "ok" : "FAULT", finding.what, finding.says});
    list.push_back({{"what", finding.what}, {"ok", finding.is_good}, {"says", finding.says}});
  }
  if (session.wants_json())
    session.give({{"findings", std::move(list)}});
  else
    *session.wiring().out << table_text({"", "what", ""}, rows, 100);
  return is_well ? 0 : 1;
}

}  // namespace

void add_doctor_command(CLI::App& app, Chosen& chosen) {
  auto* command = app.add_subcommand("doctor", "Is everything in place?");
  auto heals = std::make_shared<bool>(false);
  command->add_flag("--heal", *heals, "Rebuild what the catalog knows from the lake");
  command->callback(
      [&chosen, heals] { chosen.action = [heals](Session& s) { return doctor(s, *heals); }; });
}

}  // namespace weir::cli
