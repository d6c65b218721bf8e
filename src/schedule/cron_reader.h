#pragma once

/// Reads the text of a cron expression; part of cron.h.

#include <vector>

#include "schedule/cron.h"

namespace weir::schedule {

class CronReader {
 public:
  explicit CronReader(std::string_view text) : text_(text) {}
  Result<Cron> read();

 private:
  struct Word {
    std::string_view text;
    size_t offset = 0;
  };
  struct Field;
  /// One entry of a list: numbers from..to by step.
  struct Entry {
    int64_t from = 0;
    int64_t to = 0;
    int64_t step = 1;
    bool has_step = false;
    bool is_star = false;
    bool is_last = false;  ///< `L`
    uint8_t weeks = 0;     ///< `#n`
  };

  std::vector<Word> words() const;
  Status read_fields(const std::vector<Word>& words);
  Status read_field(const Field& field, const Word& word);
  Result<Entry> read_entry(const Field& field, const Word& word) const;
  Status read_weeks(const Field& field, const Word& word, Entry& entry) const;
  Result<int64_t> read_number(const Field& field, const Word& word) const;
  void take(const Field& field, const Entry& entry);
  std::unexpected<Error> fault(const Word& at, std::string message, std::string hint) const;

  std::string_view text_;
  Cron cron_;
};

}  // namespace weir::schedule
