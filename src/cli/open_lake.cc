#include "cli/open_lake.h"

#include "cli/project.h"

namespace weir::cli {

std::unique_ptr<OpenLake> lake_without_project(Session& session) {
  auto open = std::make_unique<OpenLake>();
  const Wiring& wiring = session.wiring();
  open->lake = {&open->configuration,
                &session.stores(),
                wiring.clock,
                wiring.random,
                wiring.cancel,
                session.folder(),
                wiring.environment->get("TMPDIR").value_or("/tmp"),
                session.resolve_secrets()};
  return open;
}

Result<std::unique_ptr<OpenLake>> open_lake(Session& session) {
  WEIR_ASSIGN(auto configuration, resolved_configuration(session));
  auto open = lake_without_project(session);
  open->configuration = std::move(configuration);
  return open;
}

}  // namespace weir::cli
