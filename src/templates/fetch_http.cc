// A fetch is a walk over the pages of an API. Each page is kept beside the landing files until the
// last one is there; then one commit says what range was asked for and which pages it has, and the
// pages appear under names that are functions of task, logical time and page. So an attempt goes on
// with the page that is missing, and what a fetch left half-done is seen by nobody.

#include <algorithm>

#include "base/digest.h"
#include "base/instant.h"
#include "base/redact.h"
#include "net/api.h"
#include "net/pages.h"
#include "storage/storage.h"
#include "task/define.h"
#include "templates/fetch_http/landing.h"
#include "templates/fetch_http/since.h"

namespace weir::templates {
namespace {

using model::Outcome;

struct Params {
  std::string connection;
  std::string path;
  std::string to;
  std::string method = "GET";
  Json query = Json::object();
  Json headers = Json::object();
  Json body;
  bool idempotent = false;
  std::string records;
  Json pagination = "none";
  int64_t max_pages = 10'000;
  Json since;
  std::string until;
  task::Duration resume_within{3'600'000};
  std::string extension = "json";
};

/// What is asked for in one fetch, beside its pages.
struct Range {
  std::optional<std::string> since;
  std::optional<std::string> until;
};

Result<std::string> text_of(const std::string& name, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer() || value.is_boolean()) return dump_json(value);
  return fail(ErrorCode::kInvalidConfig, "'{}' is {}, neither text nor a whole number", name,
              dump_json(value));
}

/// The request for a page, without secrets.
class CallMaker {
 public:
  CallMaker(const Params& params, const net::ApiSettings& settings,
            const std::optional<Since>& since, Range range)
      : params_(params), since_(since), range_(std::move(range)), base_(settings.base_url) {}

  Result<net::ApiCall> make(const net::PageRequest& page, bool has_cursor) const {
    net::ApiCall call;
    call.method = params_.method;
    for (const auto& [name, value] : params_.headers.items()) {
      WEIR_ASSIGN(std::string text, text_of(name, value));
      call.headers.push_back({name, std::move(text)});
    }
    Json body = params_.body;
    std::string query;
    for (const auto& [name, value] : params_.query.items()) {
      WEIR_ASSIGN(const std::string text, text_of(name, value));
      query = net::query_with(query, name, text);
    }
    // What varies stands in the body where there is one.
    const auto set = [&](const std::string& name, const std::string& text, bool is_number) {
      if (!body.is_object()) {
        query = net::query_with(query, name, text);
      } else {
        body[name] = is_number ? Json(std::strtoll(text.c_str(), nullptr, 10)) : Json(text);
      }
    };
    const bool is_number =
        since_ && since_->form != Since::Form::kRfc3339 && since_->form != Since::Form::kDate;
    if (range_.since) set(since_->parameter, *range_.since, is_number);
    if (range_.until) set(params_.until, *range_.until, is_number);
    for (size_t i = 0; i < page.parameters.size(); ++i) {
      const auto& [name, text] = page.parameters[i];
      set(name, text, !(has_cursor && i + 1 == page.parameters.size()));
    }
    call.url = page.url;
    if (call.url.empty()) call.url = base_ + params_.path + (query.empty() ? "" : "?" + query);
    if (body.is_object()) {
      call.body = dump_json(body);
      if (net::find_header(call.headers, "content-type") == nullptr)
        call.headers.push_back({"Content-Type", "application/json"});
    }
    return call;
  }

 private:
  const Params& params_;
  const std::optional<Since>& since_;
  const Range range_;
  const std::string base_;
};

/// The headers by which an answer can be traced and continued.
Json kept_headers(const net::Headers& headers) {
  Json kept = Json::object();
  for (const char* name : {"content-type", "date", "etag", "last-modified", "link", "x-request-id"})
    if (const std::string* value = net::find_header(headers, name))
      kept[name] = process_redactor().without_values(*value);
  return kept;
}

class Fetch {
 public:
  Fetch(const Params& params, const task::Context& context, net::Api& api, Landing& landing,
        net::PageRules rules, std::optional<Since> since)
      : params_(params),
        context_(context),
        api_(api),
        landing_(landing),
        has_cursor_(rules.by == net::PageRules::By::kCursor),
        pages_(std::move(rules)),
        since_(std::move(since)) {}

  /// With pages of an attempt before, where there are any and `may_resume`.
  Result<Outcome> run(bool may_resume) {
    may_resume_ = may_resume;
    WEIR_TRY(landing_.open());
    const Json definition = define();
    WEIR_ASSIGN(const auto own, landing_.own_commit());
    if (own) return done_before(*own, definition);
    WEIR_TRY(begin());
    const Json asked = {{"definition", definition},
                        {"since", range_.since ? Json(*range_.since) : Json()},
                        {"until", range_.until ? Json(*range_.until) : Json()}};
    request_hash_ = sha256_hex(dump_json(asked));
    WEIR_TRY(walk());
    return finish(definition);
  }

  /// Whether the page that failed is the one after pages of an attempt before: then what they lead
  /// to may be no more, a cursor that has ended or an address that was wrong.
  bool has_failed_behind_old_pages() const {
    return counts_.unchanged > 0 && counts_.inserted == 0;
  }

 private:
  /// What decides which answers a fetch gets.
  Json define() const {
    return {{"url", api_.settings().base_url + params_.path},
            {"method", params_.method},
            {"query", params_.query},
            {"body", params_.body},
            {"records", params_.records},
            {"pagination", params_.pagination},
            {"since", params_.since},
            {"until", params_.until}};
  }

  Result<Outcome> done_before(const Json& commit, const Json& definition) {
    const bool is_same = commit.value("definition", Json()) == definition;
    if (!is_same)
      return fail_with_hint(
          ErrorCode::kConflict,
          fmt::format("the fetch of {} is there already, of another definition",
                      format_instant(context_.origin.logical_time_us)),
          "what a task asks for has changed since; a run with a new logical time asks anew");
    const int64_t pages = static_cast<int64_t>(commit.at("pages").size());
    counts_.in = pages;
    counts_.unchanged = pages;
    return outcome(commit, Json::array());
  }

  /// The range, from the commit before this one.
  Status begin() {
    const int64_t now = context_.origin.logical_time_us;
    if (!params_.until.empty())
      range_.until = write_point(since_ ? since_->form : Since::Form::kRfc3339, now);
    if (!since_) return {};
    if (const auto later = landing_.later_commit())
      return fail_with_hint(ErrorCode::kConflict,
                            fmt::format("a later fetch, {}, is committed already", *later),
                            "what came since a point is fetched in order of logical time");
    WEIR_ASSIGN(const auto before, landing_.commit_before());
    point_ = since_->first;
    if (before) {
      const Json text = before->value("watermark", Json());
      if (!text.is_null()) {
        WEIR_ASSIGN(point_, while_doing(read_point(since_->form, text),
                                        "reading the watermark of the fetch before"));
      }
    }
    if (!point_) return {};
    const bool is_first = !before || before->value("watermark", Json()).is_null();
    range_.since = write_point(since_->form, *point_ - (is_first ? 0 : since_->lag));
    return {};
  }

  Status walk() {
    const CallMaker maker(params_, api_.settings(), since_, range_);
    std::optional<net::PageRequest> next = pages_.first();
    for (int64_t number = 1; next; ++number) {
      WEIR_TRY(context_.engine.cancel->check());
      if (number > params_.max_pages)
        return fail_with_hint(ErrorCode::kResourceExhausted,
                              fmt::format("more than max_pages {} follow", params_.max_pages),
                              "nothing was published; raise it, or ask for less at a time");
      WEIR_ASSIGN(const net::ApiCall call, maker.make(*next, has_cursor_ && number > 1));
      auto taken = take(number, call);
      if (!taken)
        return std::unexpected(
            std::move(taken).error().while_doing(fmt::format("fetching page {}", number)));
      next = *std::move(taken);
    }
    return {};
  }

  /// One page, from the attempt before or from the service; gives the request for the next.
  Result<std::optional<net::PageRequest>> take(int64_t number, const net::ApiCall& call) {
    WEIR_ASSIGN(auto page, staged(number));
    const bool is_new = !page;
    std::string link;
    if (is_new) {
      WEIR_ASSIGN(const net::ApiAnswer answer, api_.send(call, *context_.engine.cancel));
      const auto* header = net::find_header(answer.response.headers, "link");
      link = header == nullptr ? "" : *header;
      page = page_of(call, answer);
    } else {
      link = page->record.value("headers", Json::object()).value("link", "");
    }
    Json json;
    if (pages_.needs_json() || (since_ && since_->value)) {
      WEIR_ASSIGN(json, while_doing(parse_json(page->body.empty() ? "null" : page->body),
                                    "reading the answer"));
    }
    net::PageAnswer answer;
    answer.url = page->record.at("url").get<std::string>();
    answer.body = &json;
    answer.sha256 = page->record.at("sha256").get<std::string>();
    answer.link = link;
    WEIR_ASSIGN(auto next, pages_.after(answer));
    if (since_) WEIR_TRY(raise_watermark(json));
    const bool has_records = !page->body.empty() && pages_.records_of_last().value_or(1) > 0;
    page->record["object"] = has_records ? landing_.visible_name(number) : "";
    if (const auto records = pages_.records_of_last()) page->record["records"] = *records;
    if (is_new) WEIR_TRY(landing_.stage(number, *page));
    (is_new ? counts_.inserted : counts_.unchanged) += 1;
    counts_.in += 1;
    bytes_ += static_cast<int64_t>(page->body.size());
    requests_.push_back(std::move(page->record));
    if (context_.engine.on_progress)
      context_.engine.on_progress({fmt::format("page {}", number), pages_.records(), bytes_});
    return next;
  }

  /// Of an attempt before, unless it is so old that pages may have moved or cursors ended.
  Result<std::optional<StagedPage>> staged(int64_t number) {
    if (!may_resume_) return std::nullopt;
    WEIR_ASSIGN(auto page, landing_.staged(number, request_hash_));
    const int64_t oldest = context_.engine.clock->now_us() - params_.resume_within.ms * 1000;
    may_resume_ =
        page.has_value() && json_field_or<int64_t>(page->record, "at_us", 0).value_or(0) >= oldest;
    if (!may_resume_) page.reset();
    return page;
  }

  StagedPage page_of(const net::ApiCall& call, const net::ApiAnswer& answer) const {
    StagedPage page;
    page.body = answer.response.body;
    page.record = {{"format", 1},
                   {"request_hash", request_hash_},
                   {"method", call.method},
                   {"url", process_redactor().without_values(answer.url)},
                   {"status", answer.response.status},
                   {"headers", kept_headers(answer.response.headers)},
                   {"sha256", sha256_hex(page.body)},
                   {"size_bytes", page.body.size()},
                   {"tries", answer.tries},
                   {"at_us", context_.engine.clock->now_us()},
                   {"run_id", context_.origin.run_id},
                   {"attempt", context_.origin.attempt}};
    return page;
  }

  Status raise_watermark(const Json& answer) {
    WEIR_ASSIGN(const auto greatest, greatest_point(*since_, answer));
    if (greatest) greatest_ = std::max(greatest_.value_or(*greatest), *greatest);
    return {};
  }

  /// Where the next fetch begins: never before this one did, and never after its logical time,
  /// whatever a source with a wrong clock says.
  Json watermark() const {
    if (!since_) return {};
    const int64_t now = context_.origin.logical_time_us;
    std::optional<int64_t> point = since_->value ? greatest_ : std::optional(now);
    if (point && since_->form != Since::Form::kNumber) point = std::min(*point, now);
    if (point_) point = std::max(point.value_or(*point_), *point_);
    if (!point) return {};
    return since_->form == Since::Form::kDate ? Json(format_instant(*point))
                                              : Json(write_point(since_->form, *point));
  }

  Result<Outcome> finish(const Json& definition) {
    Json fetched = Json::array();
    for (const Json& page : requests_)
      if (const std::string name = page.value("object", ""); !name.empty()) fetched.push_back(name);
    const Json commit = {{"format", 1},
                         {"flow", context_.origin.flow_id},
                         {"task", context_.origin.task_id},
                         {"run_id", context_.origin.run_id},
                         {"logical_time", format_instant(context_.origin.logical_time_us)},
                         {"definition", definition},
                         {"since", range_.since ? Json(*range_.since) : Json()},
                         {"until", range_.until ? Json(*range_.until) : Json()},
                         {"watermark", watermark()},
                         {"records", pages_.records()},
                         {"pages", requests_}};
    WEIR_TRY(context_.engine.cancel->check());
    WEIR_TRY(landing_.commit(commit));
    WEIR_TRY(landing_.publish(stamp_of(context_.origin.logical_time_us), commit));
    WEIR_TRY(landing_.clear_abandoned());
    return outcome(commit, std::move(fetched));
  }

  Outcome outcome(const Json& commit, Json fetched) const {
    Outcome outcome;
    outcome.counts = counts_;
    outcome.warnings = pages_.warnings();
    outcome.details["hop"] = fmt::format("{}{} → {}", params_.connection, params_.path, params_.to);
    outcome.details["fetched"] = std::move(fetched);
    for (const char* name : {"since", "until", "watermark", "records"})
      outcome.details[name] = commit.value(name, Json());
    return outcome;
  }

  const Params& params_;
  const task::Context& context_;
  net::Api& api_;
  Landing& landing_;
  const bool has_cursor_;
  net::Pages pages_;
  const std::optional<Since> since_;
  Range range_;
  std::optional<int64_t> point_;     ///< Where this fetch begins, before its lag.
  std::optional<int64_t> greatest_;  ///< In what was fetched.
  std::string request_hash_;
  bool may_resume_ = true;
  Json requests_ = Json::array();
  model::Counts counts_;
  int64_t bytes_ = 0;
};

Result<std::optional<Since>> since_of(const Params& params) {
  if (params.since.is_null()) return std::nullopt;
  WEIR_ASSIGN(auto since, read_since(params.since));
  return since;
}

/// Of errors that the next attempt may not meet, whatever pages it begins with.
bool may_pass(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kOutcomeUnknown ||
         code == ErrorCode::kCancelled || code == ErrorCode::kConflict ||
         code == ErrorCode::kResourceExhausted;
}

Result<Outcome> run(const Params& params, const task::Context& context) {
  const auto slash = params.to.find('/');
  std::string folder = slash == std::string::npos ? "" : params.to.substr(slash + 1);
  if (!folder.empty() && !folder.ends_with('/')) folder += '/';
  WEIR_ASSIGN(const std::string target_uri, context.layer_uri(params.to.substr(0, slash)));
  WEIR_ASSIGN(storage::Storage * target, context.engine.stores->open(target_uri));
  WEIR_ASSIGN(net::Api * api, context.api(params.connection));
  WEIR_ASSIGN(auto rules, net::read_page_rules(params.pagination, params.records));
  WEIR_ASSIGN(auto since, since_of(params));
  const auto plain = [](const std::string& id) {
    return net::percent_encode(id, net::Slash::kEncode);
  };
  Landing landing(*target, folder,
                  plain(context.origin.flow_id) + "." + plain(context.origin.task_id),
                  stamp_of(context.origin.logical_time_us), params.extension);
  Fetch fetch(params, context, *api, landing, rules, since);
  auto fetched = fetch.run(true);
  if (fetched || !fetch.has_failed_behind_old_pages() || may_pass(fetched.error().code))
    return fetched;
  return Fetch(params, context, *api, landing, std::move(rules), std::move(since)).run(false);
}

Status check_values(const std::string& parameter, const Json& values) {
  if (!values.is_object())
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("parameter '{}' is no object", parameter),
                          "write {name: value}");
  for (const auto& [name, value] : values.items()) {
    WEIR_TRY(while_doing(text_of(name, value), fmt::format("reading parameter '{}'", parameter)));
  }
  return {};
}

Status check(const Params& params) {
  const auto refuse = [](std::string message, std::string hint) {
    return fail_with_hint(ErrorCode::kInvalidConfig, std::move(message), std::move(hint));
  };
  if (!params.path.starts_with('/') || params.path.find_first_of("?#") != std::string::npos)
    return refuse(fmt::format("parameter 'path' is '{}'", params.path),
                  "it begins with '/' and has no '?': parameters belong to `query`");
  WEIR_TRY(check_values("query", params.query));
  WEIR_TRY(check_values("headers", params.headers));
  if (params.method == "POST" && !params.idempotent)
    return refuse("parameter 'method' is POST, and 'idempotent' is not true",
                  "a fetch repeats what it asks; say idempotent: true where that changes nothing");
  if (!params.body.is_null() && (params.method != "POST" || !params.body.is_object()))
    return refuse("parameter 'body' is an object of a POST, and nothing else", "");
  const bool is_name =
      !params.extension.empty() &&
      std::ranges::all_of(params.extension, [](unsigned char c) { return std::isalnum(c) != 0; });
  if (!is_name)
    return refuse(fmt::format("parameter 'extension' is '{}'", params.extension),
                  "letters and digits: json, csv");
  WEIR_TRY(net::read_page_rules(params.pagination, params.records));
  WEIR_TRY(since_of(params));
  return {};
}

}  // namespace

task::Template fetch_http() {
  return task::Define<Params>("fetch_http",
                              "Fetches the pages of an HTTP API into the landing zone.")
      .required("connection", &Params::connection, "Connection of kind http.",
                task::connection({"http"}))
      .required("path", &Params::path, "What is asked for, behind the connection's url: /orders.")
      .required("to", &Params::to, "Landing layer, with a folder where wanted: landing/orders.",
                task::moves(task::Use::kFillsFolder))
      .optional("method", &Params::method, "How it is asked.", task::choice({"GET", "POST"}))
      .optional("query", &Params::query, "Parameters of the query, as an object.")
      .optional("headers", &Params::headers,
                "Headers beside those of the connection, as an object.")
      .optional("body", &Params::body,
                "JSON object that a POST sends; what varies from page to page is set in it.")
      .optional("idempotent", &Params::idempotent,
                "Says of a POST that asking again changes nothing.")
      .optional("records", &Params::records,
                "Where an answer has its records, as a JSON path: $.data.")
      .optional("pagination", &Params::pagination,
                "How to get the next page: none, link, or an object with by (page, offset, cursor, "
                "link, next_url), parameter, first, size_parameter, size, cursor, next, more, "
                "total and pages.")
      .optional("max_pages", &Params::max_pages, "Fails the fetch if more pages follow.",
                task::in_range(1, 999'999))
      .optional("since", &Params::since,
                "Asks for what is new only: an object with parameter, value (a JSON path, or "
                "logical_time), as (rfc3339, date, unix, unix_ms, number), lag and first.")
      .optional("until", &Params::until, "Parameter that is set to the logical time of the run.")
      .optional("resume_within", &Params::resume_within,
                "How old pages of a failed attempt may be to be gone on from.")
      .optional("extension", &Params::extension, "How the names of landing files end.")
      .example(
          "New and changed orders of a shop, page after page.",
          {{"connection", "shop"},
           {"path", "/orders"},
           {"query", {{"status", "any"}}},
           {"records", "$.data"},
           {"pagination", {{"by", "cursor"}, {"cursor", "$.meta.next"}, {"parameter", "cursor"}}},
           {"since",
            {{"parameter", "updated_since"}, {"value", "$.data[*].updated_at"}, {"lag", "5m"}}},
           {"to", "landing/orders"}})
      .check(check)
      .run(run);
}

}  // namespace weir::templates
