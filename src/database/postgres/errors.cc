#include <array>

#include "database/postgres.h"

namespace weir::database {
namespace {

struct Meaning {
  std::string_view prefix;  ///< Of the SQLSTATE: a class or one state.
  ErrorCode code;
  std::string_view hint;
};

// The first that fits: states before their classes. PostgreSQL's manual, appendix A.
constexpr std::array kMeanings = {
    Meaning{"08", ErrorCode::kUnavailable, ""},
    Meaning{"0A", ErrorCode::kUnsupported, ""},
    Meaning{"22", ErrorCode::kInvalidData, ""},
    Meaning{"23", ErrorCode::kInvalidData, ""},
    Meaning{"25006", ErrorCode::kDenied, "name the primary, not a replica"},
    Meaning{"28", ErrorCode::kDenied, "check the user and its password"},
    Meaning{"3D000", ErrorCode::kNotFound, "create the database: createdb NAME"},
    Meaning{"3F000", ErrorCode::kNotFound, "create the schema, or mend its name"},
    Meaning{"40", ErrorCode::kConflict, ""},
    Meaning{"42501", ErrorCode::kDenied, "GRANT the user what it lacks"},
    Meaning{"42P01", ErrorCode::kNotFound, ""},
    Meaning{"42703", ErrorCode::kSchemaDrift, ""},
    Meaning{"42", ErrorCode::kInvalidConfig, ""},
    Meaning{"53", ErrorCode::kResourceExhausted, ""},
    Meaning{"54", ErrorCode::kUnsupported, ""},
    Meaning{
        "55P03", ErrorCode::kConflict,
        "look in pg_locks and pg_stat_activity for who holds it, or raise `lock_timeout` of the "
        "connection"},
    Meaning{"55", ErrorCode::kConflict, ""},
    Meaning{"57014", ErrorCode::kUnavailable, "raise `statement_timeout` of the connection"},
    Meaning{"57", ErrorCode::kUnavailable, ""},
    Meaning{"58", ErrorCode::kUnavailable, ""},
    Meaning{"XX001", ErrorCode::kCorrupt, ""},
    Meaning{"XX002", ErrorCode::kCorrupt, ""},
};

}  // namespace

Error explain_sqlstate(std::string_view sqlstate, std::string message) {
  for (const Meaning& meaning : kMeanings)
    if (sqlstate.starts_with(meaning.prefix))
      return {meaning.code, std::move(message), {}, std::string(meaning.hint), std::nullopt};
  return {ErrorCode::kInternal, std::move(message), {}, "", std::nullopt};
}

}  // namespace weir::database
