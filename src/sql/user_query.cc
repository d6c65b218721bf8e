#include "sql/user_query.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "base/json.h"
#include "base/nearest.h"
#include "model/layer_name.h"
#include "sql/duckdb/handles.h"

namespace weir::sql {
namespace {

// Functions that tell of the machine or the session, wait, or bind SQL out of a text.
constexpr std::array<std::string_view, 20> kRefusedFunctions = {"current_connection_id",
                                                                "current_query",
                                                                "current_query_id",
                                                                "current_setting",
                                                                "current_transaction_id",
                                                                "currval",
                                                                "getenv",
                                                                "getvariable",
                                                                "in_search_path",
                                                                "json_execute_serialized_sql",
                                                                "json_serialize_plan",
                                                                "nextval",
                                                                "parse_duckdb_log_message",
                                                                "pg_sleep",
                                                                "setseed",
                                                                "set_config",
                                                                "sleep_ms",
                                                                "stats",
                                                                "txid_current",
                                                                "write_log"};

// Functions that tell the time; open_user_session can make it stand still for all of them. A test
// compares both lists with DuckDB's own.
constexpr std::array<std::string_view, 15> kClocks = {"ago",
                                                      "current_date",
                                                      "current_localtime",
                                                      "current_localtimestamp",
                                                      "current_time",
                                                      "current_timestamp",
                                                      "get_current_time",
                                                      "get_current_timestamp",
                                                      "localtime",
                                                      "localtimestamp",
                                                      "now",
                                                      "pg_conf_load_time",
                                                      "pg_postmaster_start_time",
                                                      "today",
                                                      "transaction_timestamp"};

// Those of them that stand without brackets, where no column has the name.
constexpr std::array<std::string_view, 5> kClockWords = {
    "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"};

// Functions that give another value each time they are called.
constexpr std::array<std::string_view, 5> kUnrepeatable = {"gen_random_uuid", "random", "uuid",
                                                           "uuidv4", "uuidv7"};

constexpr std::array<std::string_view, 5> kTableFunctions = {"generate_series", "json_each",
                                                             "json_tree", "range", "unnest"};

// What may stand behind FROM; anything else, and what a later DuckDB may bring, is refused.
constexpr std::array<std::string_view, 7> kRelations = {
    "BASE_TABLE", "EMPTY", "EXPRESSION_LIST", "JOIN", "PIVOT", "SUBQUERY", "TABLE_FUNCTION"};
constexpr std::array<std::string_view, 3> kQueryNodes = {"RECURSIVE_CTE_NODE", "SELECT_NODE",
                                                         "SET_OPERATION_NODE"};

constexpr std::string_view kHowTo = "write one SELECT over datasets: SELECT … FROM layer.dataset";

template <size_t N>
bool is_in(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return text;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::unexpected<Error> refuse(std::string message, std::string hint = std::string(kHowTo)) {
  return fail_with_hint(ErrorCode::kInvalidConfig, std::move(message), std::move(hint));
}

int64_t characters(std::string_view text) {
  return std::ranges::count_if(text,
                               [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
}

/// The byte at which character `number` begins, from 0; the end of the text where there are fewer.
size_t byte_of_character(std::string_view text, size_t number) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<uint8_t>(text[at]) & 0xC0) != 0x80;
    if (begins && number-- == 0) break;
  }
  return at;
}

/// Line `number` of the text, from 1.
std::string_view line_of(std::string_view text, int64_t number) {
  for (; number > 1; --number) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  return text.ends_with('\r') ? text.substr(0, text.size() - 1) : text;
}

/// The place of the byte at `position`.
Place place_at(std::string_view text, size_t position) {
  const auto before = text.substr(0, position);
  const auto line_begin = before.rfind('\n') + 1;  // 0 where there is none
  Place place;
  place.file = kUserSql;
  place.line = 1 + std::ranges::count(before, '\n');
  place.column = 1 + characters(before.substr(line_begin));
  place.text = line_of(text.substr(line_begin), 1);
  return place;
}

/// Walks the tree that DuckDB's own parser made of the statement. Whatever has a `type` of
/// BASE_TABLE reads a table, wherever it stands; names of CTEs count only inside their node.
class QueryWalker {
 public:
  using Scope = std::set<std::string>;                        ///< Names of CTEs in lower case
  static constexpr uint64_t kNoPosition = uint64_t{1} << 63;  ///< DuckDB says 2⁶⁴−1 for none

  Status walk(const Json& value, const Scope& scope) {
    if (value.is_array()) {
      for (const Json& each : value) WEIR_TRY(walk(each, scope));
    } else if (value.is_object()) {
      WEIR_TRY(walk_object(value, scope));
    }
    return {};
  }

  std::set<model::DatasetName> datasets;
  bool tells_time = false;
  std::set<std::string> unrepeatable;
  /// Where in the text what was looked at last stands; after a refusal, what was refused.
  std::optional<size_t> position;

 private:
  Status walk_object(const Json& object, const Scope& scope) {
    if (const auto at = object.find("query_location");
        at != object.end() && at->is_number_unsigned() && *at < kNoPosition)
      position = at->get<size_t>();
    const std::string kind = text_of(object, "class");
    const std::string type = text_of(object, "type");
    if (kind == "CONSTANT") return {};
    if (kind == "PARAMETER") return refuse("the query has a parameter without a value");
    if (kind == "COLUMN_REF") return walk_column(object);
    if (object.contains("function_name") && type != "TABLE_FUNCTION")
      WEIR_TRY(walk_function(text_of(object, "function_name"), text_of(object, "schema")));
    if (const auto sample = object.find("sample"); sample != object.end() && sample->is_object() &&
                                                   sample->value("seed", Json(-1)) == Json(-1))
      unrepeatable.insert("a sample without REPEATABLE (seed)");
    if (type == "BASE_TABLE") return walk_table(object, scope);
    if (type == "TABLE_FUNCTION") WEIR_TRY(walk_table_function(object));
    if (is_relation(object) && !is_in(kRelations, type))
      return refuse(fmt::format("the query reads from a {}", lower(type)));
    if (object.contains("cte_map") && !is_in(kQueryNodes, type))
      return refuse(fmt::format("the query holds a {}", lower(type)));
    return walk_parts(object, scope, type);
  }

  /// All of DuckDB's table references write these; expressions have a class, queries no alias.
  static bool is_relation(const Json& object) {
    return object.contains("alias") && object.contains("sample") && !object.contains("class");
  }

  Status walk_parts(const Json& object, Scope scope, const std::string& type) {
    WEIR_TRY(walk_ctes(object, scope));
    for (const auto& [key, part] : object.items()) {
      if (key == "cte_map") continue;
      Scope inside = scope;
      // Only the second half of a recursive CTE sees the CTE itself.
      if (type == "RECURSIVE_CTE_NODE" && key == "right")
        inside.insert(lower(text_of(object, "cte_name")));
      WEIR_TRY(walk(part, inside));
    }
    return {};
  }

  Status walk_ctes(const Json& object, Scope& scope) {
    const auto ctes = object.find("cte_map");
    if (ctes == object.end() || !ctes->is_object()) return {};
    for (const Json& entry : ctes->value("map", Json::array())) {
      WEIR_TRY(walk(entry.value("value", Json()), scope));
      scope.insert(lower(text_of(entry, "key")));
    }
    return {};
  }

  Status walk_column(const Json& object) {
    const Json names = object.value("column_names", Json::array());
    if (names.size() == 1 && names[0].is_string()) {
      const std::string name = lower(names[0].get<std::string>());
      tells_time = tells_time || is_in(kClockWords, name);
    }
    return {};
  }

  Status walk_function(const std::string& name, const std::string& schema) {
    const std::string word = lower(name);
    if (is_in(kRefusedFunctions, word))
      return refuse(fmt::format("the function '{}' is not for queries over datasets", name),
                    "a query may use its datasets only, not the session or the machine");
    if (is_in(kUnrepeatable, word)) unrepeatable.insert(word + "()");
    // age(x) counts from today; age(x, y) does not. Telling them apart is not worth a mistake.
    const bool is_clock = is_in(kClocks, word) || word == "age";
    if (is_clock && !schema.empty())
      return refuse(fmt::format("the function '{}' stands with its schema", name),
                    fmt::format("write {}() alone", name));
    tells_time = tells_time || is_clock;
    return {};
  }

  Status walk_table_function(const Json& object) {
    const std::string name = text_of(object.value("function", Json::object()), "function_name");
    if (is_in(kTableFunctions, lower(name))) return {};
    return refuse(fmt::format("the query reads from the table function '{}'", name),
                  fmt::format("{}; of table functions unnest, range and generate_series may stand "
                              "there",
                              kHowTo));
  }

  Status walk_table(const Json& object, const Scope& scope) {
    const std::string catalog = text_of(object, "catalog_name");
    const std::string layer = text_of(object, "schema_name");
    const std::string name = text_of(object, "table_name");
    if (const auto at = object.find("at_clause"); at != object.end() && !at->is_null())
      return refuse(fmt::format("'{}' is read AT another time", name),
                    "a query reads the pinned version of a dataset");
    if (!catalog.empty())
      return refuse(fmt::format("the query reads from '{}.{}.{}'", catalog, layer, name));
    if (layer.empty()) {
      if (scope.contains(lower(name))) return {};
      return refuse(fmt::format("the query reads from '{}', which is no dataset", name),
                    did_you_mean(name, {scope.begin(), scope.end()}) + std::string(kHowTo));
    }
    if (model::is_engine_schema(layer))  // its views tell of files and settings
      return refuse(
          fmt::format("the query reads from '{}.{}', which is DuckDB's own", layer, name));
    WEIR_TRY(model::check_name(layer, "layer"));
    WEIR_TRY(model::check_name(name, "dataset"));
    datasets.insert({layer, name});
    // A sample of a table without a seed is another one each time; walk_object saw to that.
    return {};
  }
};

Result<Json> syntax_tree(const std::string& text) {
  if (text.find('\0') != std::string::npos) return refuse("the query holds a NUL character");
  const Cancel never;
  WEIR_ASSIGN(const auto session, open_session({.threads = 1}, never));
  WEIR_ASSIGN(const TextResult result, session->query(fmt::format("SELECT json_serialize_sql({})",
                                                                  model::quote_text(text))));
  if (result.rows.size() != 1 || !result.rows[0][0])
    return fail(ErrorCode::kInternal, "DuckDB made no tree of the query");
  // DuckDB's own text: its nesting is bounded by its parser, not by our limit for users' JSON.
  Json tree = Json::parse(*result.rows[0][0], nullptr, false);
  if (tree.is_discarded()) return fail(ErrorCode::kInternal, "DuckDB's tree is no JSON");
  return tree;
}

std::string view_columns(const ViewSource& source, const std::set<std::string>& present) {
  std::string list;
  for (const model::Column& column : source.schema) {
    const std::string name = model::quote_name(column.name);
    const bool is_there = present.contains(lower(column.name));
    list += fmt::format("{}CAST({} AS {}) AS {}", list.empty() ? "" : ", ",
                        is_there ? name : "NULL", model::to_duckdb(column.type), name);
  }
  return list;
}

Result<std::string> view_body(Session& session, const ViewSource& source) {
  if (source.files.empty()) {
    if (source.schema.empty())
      return fail(ErrorCode::kInvalidConfig, "dataset '{}' has no columns yet",
                  source.dataset.text());
    return fmt::format("SELECT {} WHERE false", view_columns(source, {}));
  }
  std::string files;
  for (const std::string& file : source.files)
    files += fmt::format("{}{}", files.empty() ? "" : ", ", model::quote_text(file));
  const std::string scan =
      fmt::format("read_parquet([{}], union_by_name = true, hive_partitioning = false)", files);
  if (source.schema.empty())
    return fmt::format("SELECT COLUMNS(c -> NOT starts_with(c, '_hoodie_')) FROM {}", scan);
  WEIR_ASSIGN(
      const TextResult described,
      session.query(fmt::format("SELECT column_name FROM (DESCRIBE SELECT * FROM {})", scan)));
  std::set<std::string> present;
  for (const Row& row : described.rows) present.insert(lower(row[0].value_or("")));
  return fmt::format("SELECT {} FROM {}", view_columns(source, present), scan);
}

Status add_view(Session& session, const ViewSource& source) {
  WEIR_ASSIGN(const std::string body, view_body(session, source));
  return session.run(fmt::format("CREATE SCHEMA IF NOT EXISTS {0}; CREATE VIEW {0}.{1} AS {2}",
                                 model::quote_name(source.dataset.layer),
                                 model::quote_name(source.dataset.name), body));
}

/// Macros hide DuckDB's own functions of the name, also where a word stands for one.
Status stop_clock(Session& session, int64_t now_us) {
  const std::string at = fmt::format("make_timestamptz({})", now_us);
  const std::string local = fmt::format("timezone('UTC', {})", at);
  std::string macros = "SET TimeZone = 'UTC';";
  for (const char* name : {"now", "get_current_timestamp", "transaction_timestamp"})
    macros += fmt::format("CREATE MACRO {}() AS {};", name, at);
  for (const char* name : {"current_date", "today"})
    macros += fmt::format("CREATE MACRO {}() AS CAST({} AS DATE);", name, local);
  macros += fmt::format(
      "CREATE MACRO current_localtimestamp() AS {0};"
      "CREATE MACRO current_localtime() AS CAST({0} AS TIME);"
      "CREATE MACRO get_current_time() AS CAST({1} AS TIMETZ);"
      "CREATE MACRO age(a) AS system.main.age(date_trunc('day', {0}), a), "
      "(a, b) AS system.main.age(a, b);",
      local, at);
  return session.run(macros);
}

}  // namespace

Result<UserQuery> read_user_query(const std::string& text) {
  WEIR_ASSIGN(const Json tree, syntax_tree(text));
  if (tree.value("error", true)) {
    const std::string message = text_of(tree, "error_message");
    if (text_of(tree, "error_type") == "not implemented")
      return refuse("the query is no plain SELECT",
                    fmt::format("{}; a PIVOT needs its IN list", kHowTo));
    auto refused = refuse(fmt::format("the query cannot be read: {}", message));
    // The parser counts characters here, and bytes in the tree.
    const std::string position = text_of(tree, "position");
    size_t at = 0;
    const auto [end, code] =
        std::from_chars(position.data(), position.data() + position.size(), at);
    if (code == std::errc() && !position.empty() && at <= text.size())
      refused.error().place = place_at(text, byte_of_character(text, at));
    return refused;
  }
  const Json statements = tree.value("statements", Json::array());
  if (statements.size() != 1)
    return refuse(fmt::format("the query has {} statements, not one", statements.size()));
  QueryWalker walker;
  if (const auto walked = walker.walk(statements[0], {}); !walked) {
    Error refused = walked.error();
    if (walker.position && *walker.position <= text.size())
      refused.place = place_at(text, *walker.position);
    return std::unexpected(std::move(refused));
  }
  UserQuery query{.text = text};
  query.datasets.assign(walker.datasets.begin(), walker.datasets.end());
  query.unrepeatable.assign(walker.unrepeatable.begin(), walker.unrepeatable.end());
  query.is_volatile = walker.tells_time || !query.unrepeatable.empty();
  return query;
}

Result<std::unique_ptr<Session>> open_user_session(const SessionOptions& options,
                                                   const std::vector<ViewSource>& sources,
                                                   const Cancel& cancel) {
  WEIR_ASSIGN(auto session, open_session(options, cancel));
  // The files are pinned: their footers do not change while this session reads them.
  WEIR_TRY(session->run("SET parquet_metadata_cache = true"));
  std::vector<std::string> allowed;
  for (const ViewSource& source : sources) {
    WEIR_TRY(while_doing(add_view(*session, source),
                         fmt::format("making the view '{}'", source.dataset.text())));
    allowed.insert(allowed.end(), source.files.begin(), source.files.end());
  }
  if (options.now_us) WEIR_TRY(stop_clock(*session, *options.now_us));
  WEIR_TRY(session->lock(allowed));
  return session;
}

Error at_user_sql(Error error, const std::string& text, int64_t lines_before) {
  if (!error.place || error.place->file != kStatement || error.place->line <= lines_before)
    return error;
  Place& place = *error.place;
  constexpr std::string_view kCut = "...";
  std::string_view shown = place.text;
  const bool is_cut_before = shown.starts_with(kCut);
  if (is_cut_before) shown.remove_prefix(kCut.size());
  if (shown.ends_with(kCut)) shown.remove_suffix(kCut.size());
  place.file = kUserSql;
  place.line -= lines_before;
  const std::string_view line = line_of(text, place.line);
  const auto begin = line.find(shown);
  if (begin == std::string_view::npos) {
    place.column = 0;
  } else if (place.column > 0) {
    place.column += characters(line.substr(0, begin));
    if (is_cut_before) place.column -= static_cast<int64_t>(kCut.size());
  }
  place.text = line;
  return error;
}

}  // namespace weir::sql
