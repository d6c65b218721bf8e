#pragma once

/// What the server answers, as data: each route with its method, its path, who may call it on what,
/// its parameters and the shape of what goes in and comes out. The router, the judgement of who
/// may, the OpenAPI document, the reference page and the test of every route with every role are
/// made of this table and of nothing else.

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "catalog/overview.h"
#include "server/actions.h"
#include "server/message.h"
#include "server/role.h"
#include "task/template.h"

namespace weir::server {

class Metrics;
class SignIn;

enum class Access {
  kOpen,     ///< Anybody, and without asking the catalog: health.
  kSignIn,   ///< Anybody, as often as the limit of attempts lets them.
  kAccount,  ///< Whoever is signed in, whatever they may do.
  kRole,     ///< As `role` and `object` say.
};

/// On what a role is needed.
enum class Object {
  kServer,   ///< No flow: the role over all flows.
  kFlows,    ///< A list: of it what the role allows; somebody without any such flow is refused.
  kFlow,     ///< `{flow_id}`
  kRun,      ///< `{run_id}`: its flow.
  kHold,     ///< `{token}`: the flow of its run.
  kDataset,  ///< `{dataset}`: a flow that names it.
};

struct Parameter {
  std::string name;
  Json schema;  ///< Of the value; a text that is to be a number is read as one.
  std::string summary;
};

/// Who calls.
struct Caller {
  std::string user_name;
  std::string author;  ///< For the audit log: `ann`, or `ann, token nightly`.
  Rights rights;
  bool has_cookie = false;
  std::string session_hash;  ///< Of a browser.
};

/// What every route may use. All outlive the server.
struct Ground {
  catalog::Catalog* catalog = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
  Log* log = nullptr;
  Metrics* metrics = nullptr;
  SignIn* sign_in = nullptr;
  const Actions* actions = nullptr;
  std::span<const task::Template> templates;
  std::function<SchedulerState()> readiness;  ///< Quick.
  std::string version;
  /// Before it holds there is neither catalog nor sign_in, and nothing but health is answered.
  std::atomic<bool> is_open = false;
};

struct Route;

/// A request that was let in.
struct Call {
  const Route* route = nullptr;
  const Ground* ground = nullptr;
  Caller caller;
  std::map<std::string, std::string> path;  ///< `{flow_id}` and so on, decoded.
  std::map<std::string, Json> query;        ///< As their schemas say.
  Json body = Json();
  std::string request_id;
  std::string remote_address;
  std::string last_event_id;
  bool is_tls = false;
  std::optional<catalog::FlowRun> run = {};    ///< Object::kRun
  std::optional<catalog::HoldLine> hold = {};  ///< Object::kHold

  catalog::Catalog& catalog() const { return *ground->catalog; }
  /// The flows that the caller may see.
  catalog::FlowScope visible() const { return caller.rights.scope(Role::kViewer); }
  std::string text(const std::string& name) const;  ///< Of the query; empty: not given.
  int64_t number(const std::string& name, int64_t otherwise) const;
};

using Handler = Result<Answer> (*)(const Call& call);

struct Route {
  std::string name;    ///< `start_run`: of the operation, in metrics and in the audit log.
  std::string method;  ///< `GET`, `POST`, `DELETE`
  std::string path;    ///< `/v1/flows/{flow_id}`
  Access access = Access::kRole;
  Role role = Role::kViewer;
  Object object = Object::kServer;
  std::string summary;  ///< One sentence.
  std::vector<Parameter> query = {};
  std::string body = {};    ///< Name of its schema; empty: there is none.
  std::string answer = {};  ///< Name of its schema; empty: it is no JSON.
  int status = 200;
  std::string content_type = "application/json";
  Handler handler = nullptr;

  /// What such a route does is told in the audit log. A plan changes nothing.
  bool changes_something() const { return method != "GET" && name != "plan_configuration"; }
};

/// In the order of the reference. Made once.
const std::vector<Route>& all_routes();

/// The names in braces of a path.
std::vector<std::string> path_parameters(const Route& route);

}  // namespace weir::server
