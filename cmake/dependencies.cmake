# What weir stands on, also read by a project that links its libraries. Debian packages by their own
# files; DuckDB and Arrow from WEIR_DEPS, which `./dev setup` fills from cmake/deps.lock.

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(pugixml REQUIRED)
find_package(absl REQUIRED)
find_library(pcre2_library pcre2-8 REQUIRED)
find_library(soci_core soci_core REQUIRED)
find_library(soci_sqlite3 soci_sqlite3 REQUIRED)
find_library(soci_postgresql soci_postgresql REQUIRED)
find_library(sqlite3_library sqlite3 REQUIRED)
find_package(PostgreSQL REQUIRED)
find_library(mariadb_library mariadb REQUIRED)
find_library(avro_library avro REQUIRED)
find_library(sodium_library sodium REQUIRED)
find_library(ssh_library ssh REQUIRED)

function(weir_imported name location include)
  if(NOT EXISTS ${location})
    message(FATAL_ERROR "${location} is missing: run ./dev setup")
  endif()
  add_library(${name} SHARED IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${location}
    INTERFACE_INCLUDE_DIRECTORIES "${include}")
endfunction()
weir_imported(deps_duckdb ${WEIR_DEPS}/duckdb/lib/libduckdb.so ${WEIR_DEPS}/duckdb/include)
weir_imported(deps_arrow ${WEIR_DEPS}/arrow/lib/libarrow.so.2600 ${WEIR_DEPS}/arrow/include)
weir_imported(deps_parquet ${WEIR_DEPS}/arrow/lib/libparquet.so.2600 ${WEIR_DEPS}/arrow/include)
# libparquet exports the OpenSSL that it was built with. The system's must come first in the order of
# look-up, or libpq and libssl would work with halves of both. Options stand before libraries.
target_link_options(deps_parquet INTERFACE ${OPENSSL_CRYPTO_LIBRARY})
