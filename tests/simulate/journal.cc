// The hook is there where SQLite was built with it, as Debian's is.
#define SQLITE_ENABLE_PREUPDATE_HOOK

#include "journal.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace weir::simulate {
namespace {

Journal* the_journal = nullptr;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "journal: %s\n", why.c_str());
  std::exit(2);
}

std::string text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

struct Journal::Hooks {
  static void before_update(void*, sqlite3* database, int operation, const char*, const char* table,
                            sqlite3_int64, sqlite3_int64) {
    if (the_journal != nullptr) the_journal->take(database, operation, table);
  }
  static int at_commit(void*) {
    if (the_journal != nullptr) the_journal->commit();
    return 0;
  }
  static void at_rollback(void*) {
    if (the_journal != nullptr) the_journal->pending_.clear();
  }
  static int open(sqlite3* database, const char**, const sqlite3_api_routines*) {
    sqlite3_preupdate_hook(database, &before_update, nullptr);
    sqlite3_commit_hook(database, &at_commit, nullptr);
    sqlite3_rollback_hook(database, &at_rollback, nullptr);
    return SQLITE_OK;
  }
};

void Journal::expect_one_thread() {
  sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

Journal::Journal(const std::string& path, std::map<std::string, std::vector<std::string>> tables,
                 std::function<void(const std::vector<Change>&)> on_commit)
    : on_commit_(std::move(on_commit)) {
  the_journal = this;
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(&Hooks::open));
  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) give_up("cannot open " + path);
  own_ = database;
  sqlite3_busy_timeout(database, 10'000);
  for (auto& [name, columns] : tables) {
    Table table{std::move(columns), {}};
    std::vector<std::string> all;
    sqlite3_stmt* statement = nullptr;
    const std::string sql = "SELECT name FROM pragma_table_info('" + name + "') ORDER BY cid";
    sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr);
    while (sqlite3_step(statement) == SQLITE_ROW)
      all.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
    sqlite3_finalize(statement);
    for (const auto& column : table.columns) {
      const auto found = std::ranges::find(all, column);
      if (found == all.end()) give_up("no column " + name + "." + column);
      table.places.push_back(static_cast<int>(found - all.begin()));
    }
    tables_[name] = std::move(table);
  }
}

Journal::~Journal() {
  the_journal = nullptr;
  sqlite3_close(static_cast<sqlite3*>(own_));
}

void Journal::execute(const std::string& sql) {
  char* problem = nullptr;
  if (sqlite3_exec(static_cast<sqlite3*>(own_), sql.c_str(), nullptr, nullptr, &problem) !=
      SQLITE_OK)
    give_up(sql + ": " + problem);
}

void Journal::take(void* database, int operation, std::string_view name) {
  if (!is_watching_) return;
  const auto found = tables_.find(name);
  if (found == tables_.end()) return;
  const Table& table = found->second;
  auto* handle = static_cast<sqlite3*>(database);
  Change change{found->first, {}, {}};
  for (size_t i = 0; i < table.columns.size(); ++i) {
    sqlite3_value* value = nullptr;
    if (operation != SQLITE_INSERT) {
      sqlite3_preupdate_old(handle, table.places[i], &value);
      change.before[table.columns[i]] = text_of(value);
    }
    if (operation != SQLITE_DELETE) {
      sqlite3_preupdate_new(handle, table.places[i], &value);
      change.after[table.columns[i]] = text_of(value);
    }
  }
  pending_.push_back(std::move(change));
}

void Journal::commit() {
  if (pending_.empty()) return;
  const auto changes = std::move(pending_);
  pending_.clear();
  on_commit_(changes);
}

}  // namespace weir::simulate
