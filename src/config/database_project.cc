#include "config/database_project.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/ranges.h>

#include "base/printable.h"
#include "config/declarations.h"
#include "config/flow_writer.h"
#include "model/names.h"

namespace weir::config {
namespace {

using database::TableLook;

constexpr size_t kMostTables = 2000;  ///< What for_each takes.
constexpr int64_t kManyRows = 10'000'000;
constexpr size_t kMostListed = 50;
constexpr size_t kMostNameBytes = 60;  ///< Of a schema or a table in the name of a dataset.
constexpr const char* kLag = "10m";

/// Names that raw datasets and histories have for columns of their own.
constexpr std::array<std::string_view, 12> kOwnColumns = {
    "valid_from",   "valid_to",    "is_current", "is_deleted", "row_hash",        "_version_id",
    "_source_file", "_source_row", "_loaded_at", "_run_id",    "file_row_number", "file_index"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

/// One line of a comment, whatever a name has in it.
std::string in_comment(std::string_view text) {
  std::string words = printable(text);
  std::ranges::replace_if(words, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return words;
}

std::string with_commas(int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = std::ssize(text) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), 1, ',');
  return text;
}

std::pair<std::string, std::string> parts_of(const std::string& table) {
  const auto dot = table.find('.');
  if (dot == std::string::npos) return {"", table};
  return {table.substr(0, dot), table.substr(dot + 1)};
}

std::string plain_name(std::string_view text) {
  std::string name;
  for (const char c : lower(text)) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    const bool is_rest_of_letter = (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
    if (!is_rest_of_letter) name += is_word ? c : '_';
  }
  if (name.find_first_not_of('_') == std::string::npos) name = "table";
  if (name.size() > kMostNameBytes) name.resize(kMostNameBytes);
  // That is the name of another table's rejected rows.
  return name.ends_with("__rejected") ? name + "_table" : name;
}

/// Columns by the names that they can have here, where one of them cannot keep its own.
class Renamed {
 public:
  explicit Renamed(const TableLook& table) {
    std::set<std::string> taken;
    for (const auto& column : table.columns) {
      std::string name = column.name;
      if (!model::is_column_name(name)) name = model::plain_column_name(name);
      const bool is_own = std::ranges::find(kOwnColumns, lower(name)) != kOwnColumns.end() ||
                          lower(name).starts_with("_hoodie");
      if (is_own) name = "source_" + name;
      const std::string plain = name;
      for (int i = 2; !taken.insert(lower(name)).second; ++i) name = fmt::format("{}_{}", plain, i);
      has_any_ |= name != column.name;
      names_.emplace_back(column.name, name);
    }
  }

  bool has_any() const { return has_any_; }

  std::string name_of(const std::string& column) const {
    const auto found =
        std::ranges::find(names_, column, &std::pair<std::string, std::string>::first);
    return found == names_.end() ? column : found->second;
  }

  /// A SELECT that renames them, in the database's own quotes.
  std::string query(const std::string& table, const std::string& kind) const {
    const char mark = kind == "mysql" || kind == "mariadb" ? '`' : '"';
    const auto quoted = [mark](const std::string& name) {
      std::string text(1, mark);
      for (const char c : name) text += c == mark ? std::string(2, mark) : std::string(1, c);
      return text + mark;
    };
    std::vector<std::string> columns;
    for (const auto& [before, after] : names_)
      columns.push_back(before == after ? quoted(before) : quoted(before) + " AS " + quoted(after));
    const auto [schema, name] = parts_of(table);
    return fmt::format("SELECT {} FROM {}{}", fmt::join(columns, ", "),
                       schema.empty() ? "" : quoted(schema) + ".", quoted(name));
  }

 private:
  std::vector<std::pair<std::string, std::string>> names_;
  bool has_any_ = false;
};

/// Whether the table has instants that say no zone; timestamps of MySQL have one.
bool has_local_times(const TableLook& table, std::string_view kind) {
  return std::ranges::any_of(table.columns, [kind](const database::ColumnLook& column) {
    const bool is_timestamp =
        column.type.starts_with("timestamp") && !column.type.contains("with time zone");
    return (is_timestamp && kind != "mysql" && kind != "mariadb") ||
           column.type.starts_with("datetime");
  });
}

/// A text of for_each that is itself when variables are resolved.
std::string literal(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '{' && out.ends_with('$')) out += '$';
    out += c;
  }
  return out;
}

/// The value of for_each for one table.
Node value_of(const ChosenTable& chosen, const std::string& name, const std::string& kind) {
  const TableLook& table = chosen.look;
  const Renamed renamed(table);
  Node value = map_node();
  value.set("name", text_node(name));
  if (renamed.has_any())
    value.set("query", text_node(literal(renamed.query(table.table, kind))));
  else
    value.set("table", text_node(literal(table.table)));
  if (!table.key.empty()) {
    Json key = Json::array();
    for (const auto& column : table.key) key.push_back(renamed.name_of(column));
    value.set("key", node_of(key));
  }
  if (!chosen.cursor.empty()) {
    value.set("mode", text_node("incremental"));
    value.set("cursor", node_of(Json::array({renamed.name_of(chosen.cursor)})));
    value.set("lag", text_node(kLag));
  } else if (!table.key.empty()) {
    value.set("deletes", text_node("by_absence"));
  }
  if (has_local_times(table, kind)) value.set("timezone", text_node("UTC"));
  return value;
}

std::string why(const ChosenTable& chosen, std::string_view kind) {
  const TableLook& table = chosen.look;
  std::string words =
      table.rows ? fmt::format("about {} rows", with_commas(*table.rows)) : "rows not counted yet";
  if (table.kind != "table") words = fmt::format("{}, {}", in_comment(table.kind), words);
  if (!chosen.cursor.empty())
    words += fmt::format("; what changed, by {}", in_comment(chosen.cursor));
  else
    words += "; whole each time: no timestamp tells what changed";
  if (table.key.empty()) words += "; NO KEY: no history";
  std::vector<std::string> look;
  if (chosen.cursor.empty() && table.rows.value_or(0) >= kManyRows)
    look.emplace_back(
        "LOOK: large to be read whole; is there a column that grows with each change?");
  if (has_local_times(table, kind))
    look.emplace_back("LOOK: it has timestamps without a zone; are they UTC?");
  if (Renamed(table).has_any())
    look.emplace_back(
        "Columns are renamed: a history takes letters, digits and _ of names that are "
        "not its own.");
  for (const auto& line : look) words += "\n" + line;
  return words;
}

Node list_of_tables(const std::vector<const ChosenTable*>& tables,
                    const std::vector<std::string>& names, const std::string& kind) {
  Node list = list_node();
  list.layout = Node::Layout::kBlock;
  for (size_t i = 0; i < tables.size(); ++i) {
    Node value = value_of(*tables[i], names[i], kind);
    value.comment = why(*tables[i], kind);
    list.items.push_back(std::move(value));
  }
  return list;
}

/// A database that was chosen, with its tables parted by whether they have a key.
class FlowText {
 public:
  explicit FlowText(const DatabaseProject& project) : project_(project) {
    std::vector<std::string> tables;
    for (const auto& chosen : project.tables) tables.push_back(chosen.look.table);
    const auto names = dataset_names(tables);
    for (size_t i = 0; i < names.size(); ++i) {
      Part& part = project.tables[i].look.key.empty() ? keyless_ : keyed_;
      part.tables.push_back(&project.tables[i]);
      part.names.push_back(names[i]);
    }
  }

  std::string text() const {
    model::Flow flow;
    flow.flow_id = project_.connection.connection_id;
    model::Task prove;
    prove.task_id = "prove";
    prove.template_id = "reconcile";
    if (!keyed_.tables.empty()) {
      flow.tasks.push_back(load("load", keyed_));
      flow.tasks.push_back(history());
      prove.needs.emplace_back("history");
    }
    if (!keyless_.tables.empty()) {
      flow.tasks.push_back(load("load_without_key", keyless_));
      prove.needs.emplace_back("load_without_key");
    }
    flow.tasks.push_back(std::move(prove));
    Node node = flow_node(flow);
    node.comment = head();
    for (auto& task : node.find("tasks")->items) finish(task);
    return write_yaml(node);
  }

 private:
  struct Part {
    std::vector<const ChosenTable*> tables;
    std::vector<std::string> names;

    bool has(const std::string& field, const std::string& kind) const {
      for (size_t i = 0; i < tables.size(); ++i)
        if (value_of(*tables[i], names[i], kind).find(field) != nullptr) return true;
      return false;
    }
  };

  const std::string& kind() const { return project_.connection.kind; }

  model::Task load(const std::string& id, const Part& part) const {
    model::Task task;
    task.task_id = id;
    task.template_id = "ingest_database";
    task.params =
        Json{{"connection", project_.connection.connection_id}, {"to", "raw.${each.name}"}};
    for (const char* field : {"table", "query", "mode", "cursor", "lag", "timezone"})
      if (part.has(field, kind())) task.params[field] = fmt::format("${{each.{}:-}}", field);
    task.for_each = Json::array({"?"});  // its place; finish() writes the tables
    return task;
  }

  static model::Task history() {
    model::Task task;
    task.task_id = "history";
    task.template_id = "merge_history";
    task.needs = {"load"};
    task.for_each = Json{{"same_as", "load"}};
    task.params = Json{{"from", "raw.${each.name}"},
                       {"to", "stage.${each.name}"},
                       {"key", "${each.key}"},
                       {"deletes", "${each.deletes:-ignore}"}};
    return task;
  }

  void finish(Node& task) const {
    const std::string id = task.find("id")->text;
    if (id == "load" || id == "load_without_key") {
      const Part& part = id == "load" ? keyed_ : keyless_;
      if (Node* list = task.find("for_each"))
        *list = list_of_tables(part.tables, part.names, kind());
    }
    if (id == "load")
      task.comment =
          "Each table is one task, load[name], into a raw dataset of its own. An increment begins\n"
          "`lag` before the newest row that was seen: longer than your longest transaction. It "
          "sees\n"
          "no row that was deleted: where that matters, take mode, cursor and lag away, and write\n"
          "deletes: by_absence.";
    if (id == "load_without_key")
      task.comment =
          "Tables without a primary key: each read is kept in raw, and there is no history. Where\n"
          "columns tell one row from another, move the entry to `load`, with key: [column, …].";
    if (id == "history")
      task.comment =
          "The history of each table (SCD2): a version a change, in stage. Of a table that is "
          "read\n"
          "whole, a key that is gone is closed; more than 20 % at once wait for a person.";
    if (id == "prove") task.comment = "Proves that every row is where it was published.";
  }

  std::string head() const {
    const std::string& id = project_.connection.connection_id;
    std::string words = fmt::format(
        "Tables behind the connection '{0}', as `weir init --from-db` found them.\n"
        "`weir run {0}` reads them and keeps their history.\n"
        "`weir connection discover {0}` shows all tables, with keys and possible cursors.",
        id);
    size_t listed = 0;
    for (const auto& table : project_.left_out) {
      if (listed == 0) words += "\nLeft out:";
      if (++listed > kMostListed) {
        words += fmt::format("\n  and {} more", project_.left_out.size() - kMostListed);
        break;
      }
      const std::string name = in_comment(table.table);
      words += fmt::format("\n  {}: {}", name, why_left_out(table));
    }
    return words;
  }

  std::string why_left_out(const TableLook& table) const {
    if (!table.is_readable)
      return fmt::format("denied; GRANT SELECT lets {} read it",
                         in_comment(project_.connection.options.value("user", "the user")));
    if (table.kind == "table" || table.kind == "partitioned table") return "it has no columns";
    return fmt::format("a {}, whose rows come from elsewhere; --tables takes it by its whole name",
                       in_comment(table.kind));
  }

  const DatabaseProject& project_;
  Part keyed_;
  Part keyless_;
};

std::string project_text(const DatabaseProject& project) {
  ProjectDocument document;
  document.project = project.name;
  document.catalog = "${WEIR_CATALOG:-sqlite:weir.db}";
  for (const char* layer : {"raw", "stage", "presentation"})
    document.layers.push_back(
        {model::Layer{layer, fmt::format("data/{}", layer), 0}, std::nullopt});
  document.connections.push_back(project.connection);
  document.defaults = Json{{"retries", 2}, {"retry_delay", "10s"}, {"timeout", "1h"}};
  Node node = project_keys().write(document);
  node.comment =
      "The project: where data lives, and the database that it comes from.\n"
      "`weir validate` checks it, `weir plan` shows what `weir apply` would change,\n"
      "`weir schema` prints a JSON Schema for your editor.";
  const auto comment = [&](const char* key, const std::string& words) {
    if (Node* found = node.find(key)) found->comment = words;
  };
  comment("catalog", "Configuration and runs; postgresql://… for more than one machine.");
  comment("layers",
          "raw: each read as it came; stage: histories; presentation: what you make of them.");
  const std::string password = project.connection.options.value("password", "");
  comment("connections",
          password.empty()
              ? "No password was needed, or libpq found it (~/.pgpass). To keep one here:\n"
                "`weir secret set " +
                    project.connection.connection_id + "-db`, and password: secret://" +
                    project.connection.connection_id + "-db"
              : "The password is a reference; `weir secret list` shows who keeps it.");
  comment("defaults", "For every task that says nothing else.");
  return write_yaml(node);
}

}  // namespace

std::vector<std::string> dataset_names(const std::vector<std::string>& tables) {
  std::map<std::string, int> shared;
  for (const auto& table : tables) ++shared[plain_name(parts_of(table).second)];
  std::set<std::string> taken;
  std::vector<std::string> names;
  for (const auto& table : tables) {
    const auto [schema, own] = parts_of(table);
    std::string name = plain_name(own);
    if (shared[name] > 1 && !schema.empty()) name = plain_name(schema) + "_" + name;
    const std::string plain = name;
    for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}_{}", plain, i);
    names.push_back(std::move(name));
  }
  return names;
}

Result<std::map<std::string, std::string>> write_database_project(const DatabaseProject& project) {
  if (project.tables.size() > kMostTables)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("{} tables are more than the {} that one flow takes",
                                      project.tables.size(), kMostTables),
                          "choose some with --tables, such as --tables 'sales.*'");
  std::map<std::string, std::string> files;
  files["flows/" + project.connection.connection_id + ".yaml"] = FlowText(project).text();
  if (project.has_project) return files;
  files["weir.yaml"] = project_text(project);
  files[".gitignore"] = "# What weir makes.\ndata/\nweir.db*\n";
  return files;
}

}  // namespace weir::config
