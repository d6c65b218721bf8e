#include "storage/sftp/listing.h"

#include <algorithm>

#include "storage/object_name.h"

// A folder takes part in the order of its siblings as `a/`, as in storage/local/listing.cc.

namespace weir::storage::sftp {
namespace {

constexpr int kMostDepth = 200;

struct Child {
  std::string key;  ///< The whole name; a folder's ends in '/'.
  std::string leaf;
  Attributes attributes;
};

class Walk {
 public:
  Walk(Tree& tree, std::string_view prefix, std::string_view after, size_t limit)
      : tree_(tree), prefix_(prefix), after_(after), limit_(limit) {}

  /// Takes the entries of the folder at `path`, whose names start with `base` (or empty).
  Status visit(const std::string& path, const std::string& base, int depth) {
    if (depth > kMostDepth)
      return fail(ErrorCode::kResourceExhausted, "'{}' is deeper than {} folders", path,
                  kMostDepth);
    auto listed = tree_.session().list(path);
    if (!listed && !tree_.session().is_broken()) {
      // It was removed meanwhile, or is a file: servers say no more than "Failure" then.
      const auto now = tree_.session().stat(path);
      const bool is_gone = now ? !now->is_folder() : now.error().code == ErrorCode::kNotFound;
      if (is_gone) return {};
    }
    if (!listed)
      return failure_of(std::move(listed).error(), "list the folder", path,
                        ErrorCode::kUnavailable);
    for (const Child& child : wanted_of(*std::move(listed), base)) {
      if (!page_.is_last) return {};
      const std::string its =
          fmt::format("{}{}{}", path, path.ends_with('/') ? "" : "/", child.leaf);
      if (child.attributes.is_folder())
        WEIR_TRY(visit(its, child.key, depth + 1));
      else
        WEIR_TRY(take(its, child));
    }
    return {};
  }

  Page page() && { return std::move(page_); }

 private:
  std::vector<Child> wanted_of(std::vector<Named>&& listed, const std::string& base) const {
    std::vector<Child> children;
    for (Named& each : listed) {
      const auto& attributes = each.attributes;
      if (each.leaf.starts_with(kTemporaryPrefix)) continue;
      if (!attributes.is_file() && !attributes.is_folder() && !attributes.is_link()) continue;
      // What is no name is no object: nobody could ask for it.
      const std::string name = base + each.leaf;
      if (each.leaf.find('/') != std::string::npos || !check_object_name(name)) continue;
      Child child{name + (attributes.is_folder() ? "/" : ""), std::move(each.leaf), attributes};
      if (is_wanted(child)) children.push_back(std::move(child));
    }
    std::ranges::sort(children, {}, &Child::key);
    return children;
  }

  bool is_wanted(const Child& child) const {
    const std::string_view key = child.key;
    if (!child.attributes.is_folder()) return key > after_ && key.starts_with(prefix_);
    const bool has_later_names = key > after_ || after_.starts_with(key);
    return has_later_names && (key.starts_with(prefix_) || prefix_.starts_with(key));
  }

  Status take(const std::string& path, const Child& child) {
    Attributes attributes = child.attributes;
    if (attributes.is_link()) {
      const auto target = tree_.follow(path);
      // A link that leads out is listed, so that reading it says what is wrong.
      if (!target && target.error().code != ErrorCode::kDenied)
        return std::unexpected(target.error());
      if (target && !*target) return {};
      if (target) attributes = (*target)->attributes;
    }
    if (page_.entries.size() == limit_) {
      page_.is_last = false;
      return {};
    }
    page_.entries.push_back(entry_of(child.key, attributes));
    return {};
  }

  Tree& tree_;
  std::string_view prefix_;
  std::string_view after_;
  size_t limit_;
  Page page_;
};

}  // namespace

Entry entry_of(std::string_view name, const Attributes& attributes) {
  constexpr int64_t kMicros = 1'000'000;
  const auto size_bytes = static_cast<int64_t>(attributes.size_bytes.value_or(0));
  Entry entry{std::string(name), size_bytes, attributes.modified_at_s.value_or(0) * kMicros, {}};
  if (attributes.size_bytes && attributes.modified_at_s)
    entry.version = fmt::format("{}-{}", size_bytes, *attributes.modified_at_s);
  return entry;
}

Result<Page> list_page(Tree& tree, std::string_view prefix, std::string_view after, size_t limit) {
  const auto slash = prefix.rfind('/');
  const std::string base(slash == std::string_view::npos ? "" : prefix.substr(0, slash + 1));
  const auto folder = tree.find_folder(base.substr(0, base.empty() ? 0 : base.size() - 1));
  if (!folder && folder.error().code == ErrorCode::kNotFound) return Page{};
  if (!folder) return std::unexpected(folder.error());
  Walk walk(tree, prefix, after, limit);
  WEIR_TRY(walk.visit(*folder, base, 0));
  return std::move(walk).page();
}

}  // namespace weir::storage::sftp
