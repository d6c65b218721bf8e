#pragma once

/// Pinned inputs as this engine reads them: exactly the bytes that were pinned, or an error; as
/// files that DuckDB opens, with the rows that their footers say (Arrow reads those, so the count
/// owes nothing to DuckDB).

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/operation.h"
#include "sql/user_query.h"

namespace weir::engine::embedded {

/// kNotFound where the object is gone; kCorrupt, naming it with what was pinned and what is there,
/// where its size differs, or its SHA-256 where one was recorded.
Status verify_object(const model::PinnedObject& object, storage::Stores& stores);
/// The same for every object of an input.
Status verify_objects(const model::PinnedInput& input, const Context& context);

/// One dataset, verified and ready for DuckDB.
struct Reading {
  sql::ViewSource view;  ///< Pinned columns, then what else the files have; none of Hudi's.
  int64_t rows = 0;      ///< By the files' footers.
};

/// Verifies and names the files in `objects`. kCorrupt also where a footer has another number of
/// rows than was pinned.
Result<Reading> open_reading(const model::PinnedInput& input, const Context& context,
                             sql::ObjectFiles& objects);

/// All inputs of an operation as views of one locked session.
struct Readings {
  std::vector<Reading> inputs;
  std::unique_ptr<sql::Session> session;

  int64_t rows() const;
};
Result<Readings> open_readings(const model::Operation& operation, const Context& context);

/// DuckDB's share of what the task may use: the process and its writers need the rest.
sql::SessionOptions session_options(const model::Limits& limits);

/// What the hop took in, 64 hex digits each: objects by content, versions of tables by instant.
std::vector<std::string> identities_of(const std::vector<model::PinnedInput>& inputs);

}  // namespace weir::engine::embedded
