#include <algorithm>
#include <array>

#include "database/mysql.h"

namespace weir::database {
namespace {

struct Meaning {
  unsigned int number;
  ErrorCode code;
  std::string_view hint;
};

// "Error Codes" of MariaDB's manual, "Server Error Message Reference" and "Client Error Message
// Reference" of MySQL's.
constexpr std::array kMeanings = {
    Meaning{1021, ErrorCode::kResourceExhausted, ""},  // disk full, for a temporary table
    Meaning{1037, ErrorCode::kResourceExhausted, ""},
    Meaning{1040, ErrorCode::kResourceExhausted, ""},
    Meaning{1041, ErrorCode::kResourceExhausted, ""},
    Meaning{1044, ErrorCode::kDenied, "GRANT the user what it lacks"},
    Meaning{1045, ErrorCode::kDenied,
            "check the user and its password, and from which hosts it may come"},
    Meaning{1049, ErrorCode::kNotFound, "create the database, or mend its name"},
    Meaning{1053, ErrorCode::kUnavailable, ""},
    Meaning{1054, ErrorCode::kSchemaDrift, ""},
    Meaning{1129, ErrorCode::kDenied, "run FLUSH HOSTS at the server"},
    Meaning{1130, ErrorCode::kDenied, "create the user for the host that it comes from"},
    Meaning{1142, ErrorCode::kDenied, "GRANT the user what it lacks"},
    Meaning{1143, ErrorCode::kDenied, "GRANT the user what it lacks"},
    Meaning{1146, ErrorCode::kNotFound, ""},
    Meaning{1152, ErrorCode::kUnavailable, ""},
    Meaning{1158, ErrorCode::kUnavailable, ""},
    Meaning{1159, ErrorCode::kUnavailable, ""},
    Meaning{1160, ErrorCode::kUnavailable, ""},
    Meaning{1161, ErrorCode::kUnavailable, ""},
    Meaning{1184, ErrorCode::kUnavailable, ""},
    Meaning{1203, ErrorCode::kResourceExhausted, ""},
    Meaning{1205, ErrorCode::kConflict,
            "look in SHOW PROCESSLIST for who holds it, or raise `lock_timeout` of the connection"},
    Meaning{1213, ErrorCode::kConflict, ""},
    Meaning{1226, ErrorCode::kResourceExhausted, ""},
    Meaning{1227, ErrorCode::kDenied, "GRANT the user what it lacks"},
    Meaning{1317, ErrorCode::kUnavailable, "somebody killed the statement at the server"},
    Meaning{1356, ErrorCode::kInvalidConfig, ""},
    Meaning{1370, ErrorCode::kDenied, "GRANT the user what it lacks"},
    Meaning{1412, ErrorCode::kConflict, "the table was altered while the read began: try again"},
    Meaning{1698, ErrorCode::kDenied, "check the user and its password"},
    Meaning{1820, ErrorCode::kDenied, "its password has expired: set a new one"},
    Meaning{1862, ErrorCode::kDenied, "its password has expired: set a new one"},
    Meaning{1927, ErrorCode::kUnavailable, "somebody killed the connection at the server"},
    Meaning{1969, ErrorCode::kUnavailable, "raise `statement_timeout` of the connection"},
    Meaning{2002, ErrorCode::kUnavailable, "check that the server runs and can be reached"},
    Meaning{2003, ErrorCode::kUnavailable, "check that the server runs and can be reached"},
    Meaning{2005, ErrorCode::kUnavailable, "check the name of the host"},
    Meaning{2006, ErrorCode::kUnavailable, ""},
    Meaning{2008, ErrorCode::kResourceExhausted, ""},
    Meaning{2012, ErrorCode::kUnavailable, ""},
    Meaning{2013, ErrorCode::kUnavailable, ""},
    Meaning{2020, ErrorCode::kResourceExhausted, ""},
    Meaning{2026, ErrorCode::kInvalidConfig,
            "name the certificate of the server's authority with `sslrootcert`, and as host a name "
            "that the server's certificate has; `sslmode: require` encrypts without knowing whom "
            "it speaks to"},
    Meaning{2027, ErrorCode::kUnavailable, "is it a MySQL or MariaDB server?"},
    Meaning{2055, ErrorCode::kUnavailable, ""},
    Meaning{2058, ErrorCode::kDenied,
            "the server asks for a way to log in that this client does not take"},
    Meaning{2059, ErrorCode::kDenied,
            "the server asks for a way to log in that this client does not take"},
    Meaning{3024, ErrorCode::kUnavailable, "raise `statement_timeout` of the connection"},
    Meaning{3118, ErrorCode::kDenied, "the account is locked"},
    Meaning{4151, ErrorCode::kDenied, "the account is locked"},
    Meaning{5010, ErrorCode::kDenied,
            "the server asks for a way to log in that this client does not take: passwords in "
            "clear only go over verified TLS"},
    Meaning{5014, ErrorCode::kUnavailable, ""},
};

}  // namespace

Error explain_mysql_error(unsigned int number, std::string message) {
  const auto found = std::ranges::find(kMeanings, number, &Meaning::number);
  if (found != kMeanings.end())
    return {found->code, std::move(message), {}, std::string(found->hint), std::nullopt};
  // Errors of the client are no fault of a statement.
  const bool is_client = number >= 2000 && number < 3000;
  return {is_client ? ErrorCode::kInternal : ErrorCode::kInvalidConfig,
          std::move(message),
          {},
          "",
          std::nullopt};
}

}  // namespace weir::database
