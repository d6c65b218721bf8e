#pragma once

/// What is committed to a SQLite database, row by row, as the database itself tells it: it hooks
/// into every connection of this process and knows nothing of who writes.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::simulate {

/// A row by its columns; NULL is empty.
using Image = std::map<std::string, std::string, std::less<>>;

/// What one transaction has made of one row.
struct Change {
  std::string table;
  Image before;  ///< Empty: there was none.
  Image after;   ///< Empty: there is none any more.
};

class Journal {
 public:
  /// Before anybody uses SQLite: this process has one thread, and no lock is needed.
  static void expect_one_thread();
  /// Watches these columns of these tables, the first ones being the key. `on_commit` must not use
  /// the database. One journal at a time.
  Journal(const std::string& path, std::map<std::string, std::vector<std::string>> tables,
          std::function<void(const std::vector<Change>&)> on_commit);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void watch(bool is_watching) { is_watching_ = is_watching; }
  /// Runs SQL beside whoever else uses the database. Ends the program where it is refused.
  void execute(const std::string& sql);

 private:
  struct Hooks;
  struct Table {
    std::vector<std::string> columns;
    std::vector<int> places;
  };
  void take(void* database, int operation, std::string_view table);
  void commit();

  std::map<std::string, Table, std::less<>> tables_;
  std::function<void(const std::vector<Change>&)> on_commit_;
  std::vector<Change> pending_;
  void* own_ = nullptr;
  bool is_watching_ = false;
};

}  // namespace weir::simulate
