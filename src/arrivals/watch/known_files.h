#pragma once

/// The files of one trigger: what the catalog knows, what was just seen, and what of it must be
/// written.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "arrivals/trigger.h"
#include "catalog/catalog.h"
#include "storage/storage.h"

namespace weir::arrivals {

struct KnownFile {
  catalog::Arrival row;
  size_t source = 0;  ///< In Trigger::sources.
  std::string key;    ///< Key::text; empty: it has none.
  int64_t modified_at_us = 0;
  int64_t looked_at_us = 0;  ///< By which poll it was seen; 0: by none of this process.

  bool is_waiting() const {
    return row.state == catalog::ArrivalState::kWaiting && row.gone_at_us == 0;
  }
};

class KnownFiles {
 public:
  explicit KnownFiles(const Trigger& trigger) : trigger_(trigger) {}

  /// What the catalog knows now, in place of all.
  Status load(catalog::Catalog& catalog);
  bool is_loaded() const { return is_loaded_; }
  void forget() { is_loaded_ = false; }
  int64_t revision() const { return revision_; }
  int64_t since_us() const { return since_us_; }

  /// The file is there. False where the trigger does not take that name.
  Result<bool> see(size_t source, const storage::Entry& entry, int64_t now_us);
  /// It is not.
  void miss(const std::string& name, int64_t now_us);
  /// All that was there was seen at `now_us`: the others are gone. Patterns are known from now on.
  void finish_listing(int64_t now_us);

  void set_state(KnownFile& file, catalog::ArrivalState state);
  /// It belongs to the run of that key, decided then.
  void take(KnownFile& file, const std::string& run_key, int64_t at_us);
  void touch(KnownFile& file);

  bool has_changes() const { return !changed_.empty() || !removed_.empty() || is_baseline_new_; }
  /// kConflict where somebody else wrote meanwhile: load again.
  Status save(catalog::Catalog& catalog);

  std::map<std::string, KnownFile, std::less<>>& all() { return files_; }
  const std::map<std::string, KnownFile, std::less<>>& all() const { return files_; }
  KnownFile* find(const std::string& name);
  /// Names that wait, and those that are due by their run_key.
  const std::set<std::string>& waiting() const { return waiting_; }
  const std::map<std::string, std::set<std::string>>& due() const { return due_; }
  /// Names by their key, where the trigger has one.
  const std::map<std::string, std::set<std::string>>& by_key() const { return by_key_; }
  int64_t newest_at_us() const { return newest_at_us_; }
  /// The run that was decided last, and when; 0: none was.
  const std::string& last_run_key() const { return last_run_key_; }
  int64_t last_taken_at_us() const { return last_taken_at_us_; }

 private:
  Status place(KnownFile& file);
  void index(const KnownFile& file);
  void drop(const KnownFile& file);

  const Trigger& trigger_;
  bool is_loaded_ = false;
  int64_t revision_ = 0;
  int64_t since_us_ = 0;
  int64_t newest_at_us_ = 0;
  int64_t last_taken_at_us_ = 0;
  std::string last_run_key_;
  std::set<std::string> patterns_;
  bool is_baseline_new_ = false;
  std::map<std::string, KnownFile, std::less<>> files_;
  std::set<std::string> waiting_;
  std::map<std::string, std::set<std::string>> due_;
  std::map<std::string, std::set<std::string>> by_key_;
  std::set<std::string> changed_;
  std::vector<std::string> removed_;
};

}  // namespace weir::arrivals
