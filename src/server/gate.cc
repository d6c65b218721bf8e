#include "server/gate.h"

#include <algorithm>
#include <array>

#include "server/metrics.h"
#include "server/problem.h"
#include "server/router.h"
#include "server/schemas.h"
#include "server/sign_in.h"

namespace weir::server {
namespace {

constexpr std::array<std::string_view, 8> kOnce = {
    "host",   "authorization",  "cookie",        "content-type",
    "origin", "sec-fetch-site", "last-event-id", "content-length"};

Status check_headers(const RequestHead& head) {
  for (const std::string_view name : kOnce) {
    if (head.count(name) > 1)
      return fail(ErrorCode::kInvalidData, "the header '{}' stands more than once", name);
  }
  if (head.header("host").empty())
    return fail(ErrorCode::kInvalidData, "the request has no Host header");
  return {};
}

bool is_reading(std::string_view method) { return method == "GET" || method == "HEAD"; }

/// What the cookie of that name holds; empty where it is not there, or twice.
std::string_view cookie_of(std::string_view header, std::string_view name) {
  std::string_view found;
  while (!header.empty()) {
    const auto end = header.find(';');
    std::string_view pair = header.substr(0, end);
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      if (!found.empty()) return {};
      found = pair.substr(equals + 1);
    }
    header.remove_prefix(end == std::string_view::npos ? header.size() : end + 1);
  }
  return found;
}

bool has_body(const RequestHead& head) {
  const auto length = head.header("content-length");
  return head.count("transfer-encoding") > 0 || (!length.empty() && length != "0");
}

Status check_body_type(const RequestHead& head, const Route& route) {
  if (!has_body(head)) return {};
  if (route.body.empty()) return fail(ErrorCode::kInvalidData, "{} takes no body", route.name);
  std::string_view type = head.header("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  if (type == "application/json") return {};
  return fail_with_hint(ErrorCode::kUnsupported, "the body is no application/json",
                        "set the header Content-Type: application/json");
}

/// As a person names it: `start_run of flow sales`.
Json object_json(const Call& call) {
  Json object = Json::object();
  for (const auto& [name, value] : call.path) object[name] = value;
  if (call.run) object["flow_id"] = call.run->flow_id;
  if (call.hold) object["flow_id"] = call.hold->flow_id;
  return object;
}

}  // namespace

Status check_same_origin(const RequestHead& head, bool needs_proof) {
  const auto refused = [] {
    return fail_with_hint(ErrorCode::kDenied, "the request comes from another site's page",
                          "programs use a token in the header Authorization, not a cookie");
  };
  if (const auto site = head.header("sec-fetch-site"); head.count("sec-fetch-site") > 0) {
    if (site == "same-origin") return {};
    return refused();
  }
  if (head.count("origin") > 0) {
    const std::string own =
        fmt::format("{}://{}", head.is_tls ? "https" : "http", head.header("host"));
    if (head.header("origin") == own) return {};
    return refused();
  }
  if (needs_proof) return refused();
  return {};
}

Gate::Admission Gate::admit(const RequestHead& head) {
  const std::string request_id = make_uuid7(*ground_.clock, *ground_.random);
  const int64_t started_us = ground_.clock->monotonic_us();
  std::string route_name = "none";
  auto judged = judge(head, request_id, route_name);
  if (auto* answer = std::get_if<Answer>(&judged))
    return finish(std::move(*answer), request_id, head.is_tls, route_name, started_us);
  return Admitted{std::get<Call>(std::move(judged)), started_us};
}

bool Gate::is_quick(const RequestHead& head) {
  std::string ignored;
  const auto match = find_route(head.method, head.target, ignored);
  return !match || match->route->access == Access::kOpen;
}

std::variant<Answer, Call> Gate::judge(const RequestHead& head, const std::string& request_id,
                                       std::string& route_name) {
  if (const auto good = check_headers(head); !good) return problem(good.error(), request_id);
  std::string allowed;
  auto match = find_route(head.method, head.target, allowed);
  if (!match && match.error().code == ErrorCode::kUnsupported) {
    Answer answer = problem(match.error(), request_id, 405);
    answer.headers.emplace_back("Allow", allowed);
    return answer;
  }
  if (!match) return problem(match.error(), request_id);
  Call call;
  call.route = match->route;
  call.ground = &ground_;
  call.path = std::move(match->path);
  call.query = std::move(match->query);
  call.request_id = request_id;
  call.remote_address = head.remote_address;
  call.last_event_id = head.header("last-event-id");
  call.is_tls = head.is_tls;
  route_name = call.route->name;
  if (call.route->access != Access::kOpen && !ground_.is_open)
    return problem(ErrorCode::kUnavailable, 503, "this server waits for its catalog",
                   "ask again later", request_id);
  if (call.route->access == Access::kSignIn) {
    if (const auto good = check_same_origin(head, false); !good)
      return problem(good.error(), request_id);
  } else if (call.route->access != Access::kOpen) {
    auto caller = authenticate(head);
    if (!caller && caller.error().code == ErrorCode::kDenied)
      return unauthenticated(caller.error(), request_id);
    if (!caller) return failed(caller.error(), request_id, route_name);
    call.caller = *std::move(caller);
    if (call.caller.has_cookie && !is_reading(head.method)) {
      if (const auto good = check_same_origin(head, true); !good)
        return problem(good.error(), request_id);
    }
    if (const auto good = authorize(call); !good) {
      if (good.error().code == ErrorCode::kDenied && call.route->changes_something())
        if (const auto told = tell(call, "denied", ErrorCode::kDenied); !told)
          return failed(told.error(), request_id, route_name);
      return failed(good.error(), request_id, route_name);
    }
  }
  if (const auto good = check_body_type(head, *call.route); !good)
    return problem(good.error(), request_id,
                   good.error().code == ErrorCode::kUnsupported ? 415 : 0);
  return call;
}

Answer Gate::unauthenticated(const Error& error, const std::string& request_id) {
  Error told = error;
  const auto has_accounts = ground_.sign_in->has_accounts();
  if (has_accounts && !*has_accounts) {
    told.message = "this server has no accounts yet";
    told.hint = "`weir user add NAME --role admin` makes the first one, on the server's machine";
  }
  Answer answer = problem(told, request_id, 401);
  answer.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"weir\"");
  return answer;
}

Result<Caller> Gate::authenticate(const RequestHead& head) {
  // A token that is none is refused, also where there is a cookie.
  if (head.count("authorization") > 0) {
    const std::string_view header = head.header("authorization");
    constexpr std::string_view kBearer = "Bearer ";
    if (!header.starts_with(kBearer))
      return fail_with_hint(ErrorCode::kDenied, "the header Authorization holds no token",
                            "write Bearer, a blank and the token");
    return ground_.sign_in->with_token(std::string(header.substr(kBearer.size())));
  }
  const auto word =
      cookie_of(head.header("cookie"), head.is_tls ? "__Host-weir_session" : "weir_session");
  if (!word.empty()) return ground_.sign_in->with_cookie(std::string(word));
  return fail_with_hint(
      ErrorCode::kDenied, "nobody is signed in",
      "send a token in the header Authorization (Bearer, a blank, the token), or sign in "
      "with POST /v1/session");
}

/// What the caller may not see is not there, in the same words.
Status Gate::find_object(Call& call) {
  const Rights& rights = call.caller.rights;
  if (call.route->object == Object::kFlow) {
    const std::string& flow_id = call.path.at("flow_id");
    if (!rights.allows(Role::kViewer, flow_id))
      return fail(ErrorCode::kNotFound, "there is no flow '{}'", flow_id);
  }
  if (call.route->object == Object::kRun) {
    const std::string& run_id = call.path.at("run_id");
    auto run = ground_.catalog->flow_run(run_id);
    if (!run && run.error().code != ErrorCode::kNotFound) return std::unexpected(run.error());
    if (!run || !rights.allows(Role::kViewer, run->flow_id))
      return fail(ErrorCode::kNotFound, "there is no run {}", run_id);
    call.run = *std::move(run);
  }
  if (call.route->object == Object::kHold) {
    const std::string& token = call.path.at("token");
    auto hold = ground_.catalog->overview().hold_line(token);
    if (!hold && hold.error().code != ErrorCode::kNotFound) return std::unexpected(hold.error());
    if (!hold || !rights.allows(Role::kViewer, hold->flow_id))
      return fail(ErrorCode::kNotFound, "there is no hold {}", token);
    call.hold = *std::move(hold);
  }
  if (call.route->object == Object::kDataset) {
    const std::string& dataset = call.path.at("dataset");
    WEIR_ASSIGN(const bool is_known,
                ground_.catalog->overview().knows_dataset(call.visible(), dataset));
    if (!is_known) return fail(ErrorCode::kNotFound, "there is no dataset '{}'", dataset);
  }
  return {};
}

Status Gate::authorize(Call& call) {
  const Route& route = *call.route;
  if (route.access == Access::kAccount) return {};
  const Rights& rights = call.caller.rights;
  const auto denied = [&](std::string_view where) {
    return fail_with_hint(
        ErrorCode::kDenied,
        fmt::format("{} needs the role {} {}", route.name, to_text(route.role), where),
        "`weir user grant NAME --role ROLE --flows PATTERN` gives it");
  };
  // Who may nowhere is told so before anything is looked up.
  if (!rights.allows_somewhere(route.role)) return denied("for some flow");
  if (route.object == Object::kServer)
    return rights.allows_everywhere(route.role) ? Status() : denied("for all flows");
  WEIR_TRY(find_object(call));
  std::optional<std::string> flow_id;
  if (route.object == Object::kFlow) flow_id = call.path.at("flow_id");
  if (call.run) flow_id = call.run->flow_id;
  if (call.hold) flow_id = call.hold->flow_id;
  if (flow_id && !rights.allows(route.role, *flow_id))
    return denied(fmt::format("for flow '{}'", *flow_id));
  return {};
}

Status Gate::tell(const Call& call, const std::string& outcome, ErrorCode code) {
  Json details = {{"outcome", outcome},
                  {"object", object_json(call)},
                  {"address", call.remote_address},
                  {"request_id", call.request_id}};
  if (outcome != "asked" && outcome != "done") details["code"] = to_text(code);
  // Nobody is signed in where somebody signs in: what they say to be is told.
  const std::string author = call.route->access == Access::kSignIn && call.body.is_object()
                                 ? call.body.value("user", "")
                                 : call.caller.author;
  return ground_.catalog->audit(author, "server." + call.route->name, details);
}

Result<Answer> Gate::carry_out(Call& call, std::string_view body) {
  const Route& route = *call.route;
  if (!route.body.empty()) {
    call.body = Json::object();
    if (!body.empty()) {
      WEIR_ASSIGN(call.body, while_doing(parse_json(body), "reading the body"));
    }
    WEIR_TRY(check_shape(schemas().at(route.body), call.body, "the body"));
  }
  const bool is_told_before = route.changes_something() && route.access != Access::kSignIn;
  if (is_told_before) {
    WEIR_TRY(while_doing(tell(call, "asked", ErrorCode::kInternal), "writing to the audit log"));
  }
  auto answer = route.handler(call);
  if (!route.changes_something()) return answer;
  const ErrorCode code = answer ? ErrorCode::kDenied : answer.error().code;
  const bool is_done = answer && answer->status < 400;
  // Who is kept from trying would fill the log by trying.
  if (answer && answer->status == 429) return answer;
  const auto told = tell(call, is_done ? "done" : "failed", code);
  if (told) return answer;
  if (!is_told_before && is_done) return std::unexpected(told.error());
  ground_.log->warning("request {}: the audit log does not have how {} ended: {}", call.request_id,
                       route.name, to_line(told.error()));
  return answer;
}

Answer Gate::perform(Admitted admitted, std::string_view body) {
  Call& call = admitted.call;
  auto answer = carry_out(call, body);
  Answer result =
      answer ? *std::move(answer) : failed(answer.error(), call.request_id, call.route->name);
  return finish(std::move(result), call.request_id, call.is_tls, call.route->name,
                admitted.started_us);
}

Answer Gate::refuse(ErrorCode code, int status, std::string message, std::string hint,
                    bool is_tls) {
  const std::string request_id = make_uuid7(*ground_.clock, *ground_.random);
  return finish(problem(code, status, std::move(message), std::move(hint), request_id), request_id,
                is_tls, "none", ground_.clock->monotonic_us());
}

Answer Gate::failed(const Error& error, const std::string& request_id, std::string_view route) {
  if (!is_told(error.code))
    ground_.log->warning("request {}: {} failed: {}", request_id, route, to_line(error));
  return problem(error, request_id);
}

Answer Gate::finish(Answer answer, const std::string& request_id, bool is_tls,
                    std::string_view route, int64_t started_us) {
  auto& headers = answer.headers;
  headers.emplace_back("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("X-Frame-Options", "DENY");
  headers.emplace_back("Referrer-Policy", "no-referrer");
  headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  headers.emplace_back("Cache-Control", "no-store");
  headers.emplace_back("X-Request-Id", request_id);
  if (is_tls) headers.emplace_back("Strict-Transport-Security", "max-age=31536000");
  const int64_t took_us = ground_.clock->monotonic_us() - started_us;
  ground_.metrics->note_request(std::string(route), answer.status, took_us);
  ground_.log->info("request {}: {} {} in {} ms", request_id, route, answer.status, took_us / 1000);
  return answer;
}

}  // namespace weir::server
