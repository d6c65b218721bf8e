#pragma once

/// How an API cuts a long answer into pages: what to ask for first, what next, and when it is over.
/// Pure: answers in, requests out. A service that leads in a circle is an error, not a loop.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/json_path.h"
#include "base/result.h"
#include "net/url.h"

namespace weir::net {

struct PageRules {
  enum class By { kNone, kPage, kOffset, kCursor, kLink, kNextUrl };
  By by = By::kNone;
  std::string parameter;       ///< That carries page, offset or cursor.
  int64_t first = 1;           ///< Page or offset of the first page.
  std::string size_parameter;  ///< Empty: the size is not asked for.
  int64_t size = 0;
  std::optional<JsonPath> next;     ///< kCursor: the cursor; kNextUrl: the address.
  std::optional<JsonPath> more;     ///< Whether more pages follow.
  std::optional<JsonPath> total;    ///< How many records there are in all.
  std::optional<JsonPath> pages;    ///< How many pages there are in all.
  std::optional<JsonPath> records;  ///< Where the records of a page are.
};

/// Reads `none`, or `{by: page|offset|cursor|link|next_url, parameter, first, size_parameter, size,
/// cursor, next, more, total, pages}`. kInvalidConfig names what is wrong or missing.
Result<PageRules> read_page_rules(const Json& pagination, const std::string& records);

struct PageRequest {
  std::string url;  ///< A whole address that the last page named; empty: the task's own.
  std::vector<std::pair<std::string, std::string>> parameters;  ///< To be set in it.
};

/// One page as it was answered.
struct PageAnswer {
  std::string url;             ///< That was answered.
  const Json* body = nullptr;  ///< nullptr where the rules need none: needs_json().
  std::string sha256;          ///< Of its bytes.
  std::string link;            ///< The header `Link`, where there was one.
};

/// The walk over the pages of one fetch. Not for use from several threads at once.
class Pages {
 public:
  explicit Pages(PageRules rules) : rules_(std::move(rules)) {}

  /// Whether bodies must be read as JSON.
  bool needs_json() const {
    return rules_.records || rules_.next || rules_.more || rules_.total || rules_.pages;
  }
  PageRequest first();

  /// Takes a page in; the request for the next one, nothing where it was the last. kInvalidData:
  /// the answer lacks what the rules name, or the same request or page comes twice.
  Result<std::optional<PageRequest>> after(const PageAnswer& page);

  /// Of the page taken in last; nothing where the rules do not say where records are.
  std::optional<int64_t> records_of_last() const { return last_records_; }
  int64_t records() const { return records_; }
  int64_t pages() const { return pages_; }
  /// What a person should know of how it ended.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Status count_records(const PageAnswer& page);
  Result<bool> is_last(const PageAnswer& page);
  Result<std::optional<PageRequest>> next_of(const PageAnswer& page);
  PageRequest numbered(int64_t number) const;
  Status remember(const PageRequest& request);

  const PageRules rules_;
  int64_t pages_ = 0;
  int64_t records_ = 0;
  std::optional<int64_t> last_records_;
  bool says_more_ = false;
  std::set<std::string> asked_;
  std::set<std::string> seen_;
  std::vector<std::string> warnings_;
};

/// The target of `rel="next"` in a header `Link` (RFC 8288), as it stands there; nothing without.
std::optional<std::string> next_link(std::string_view header);

}  // namespace weir::net
