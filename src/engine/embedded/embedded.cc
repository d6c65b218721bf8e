#include <exception>
#include <new>

#include "engine/embedded/executors.h"

namespace weir::engine {
namespace {

using model::OperationKind;

Result<model::Outcome> dispatch(const model::Operation& operation, const Context& context) {
  switch (operation.kind) {
    case OperationKind::kIngestFiles: return embedded::ingest_files(operation, context);
    case OperationKind::kIngestDatabase: return embedded::ingest_database(operation, context);
    case OperationKind::kMergeHistory: return embedded::merge_history(operation, context);
    case OperationKind::kMergeLatest: return embedded::merge_latest(operation, context);
    case OperationKind::kTransform: return embedded::transform(operation, context);
    case OperationKind::kCheck: return embedded::check(operation, context);
    case OperationKind::kLoadWarehouse: return embedded::load_warehouse(operation, context);
    case OperationKind::kReconcile: return embedded::reconcile(operation, context);
  }
  return fail(ErrorCode::kUnsupported, "the embedded engine knows no such operation");
}

class EmbeddedEngine final : public Engine {
 public:
  EmbeddedEngine() {
    for (const auto kind : model::all_operation_kinds()) capabilities_.kinds.insert(kind);
    capabilities_.dialects = {"duckdb"};
  }

  const std::string& name() const override { return name_; }
  const Capabilities& capabilities() const override { return capabilities_; }

  // The last fence: the executors wrap what throws, but memory may run out anywhere.
  Result<model::Outcome> execute(const model::Operation& operation,
                                 const Context& context) override {
    try {
      WEIR_TRY(context.cancel->check());
      return dispatch(operation, context);
    } catch (const std::bad_alloc&) {
      return fail_with_hint(ErrorCode::kResourceExhausted, "out of memory",
                            "lower `resources.memory_limit`, so that DuckDB spills earlier");
    } catch (const std::exception& error) {
      return fail(ErrorCode::kInternal, "operation {}: {}", model::to_text(operation.kind),
                  error.what());
    }
  }

 private:
  std::string name_ = "embedded";
  Capabilities capabilities_;
};

}  // namespace

std::unique_ptr<Engine> make_embedded_engine() { return std::make_unique<EmbeddedEngine>(); }

}  // namespace weir::engine
