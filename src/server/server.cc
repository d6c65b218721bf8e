#include "server/server.h"

#include <mutex>

#include "server/gate.h"
#include "server/listener.h"
#include "server/metrics.h"
#include "server/sign_in.h"

namespace weir::server {
namespace {

constexpr int64_t kProbeMs = 2000;
/// An older answer of the catalog counts no more.
constexpr int64_t kProbeLastsUs = 10'000'000;

class HttpServer : public Server {
 public:
  explicit HttpServer(const ServerGround& ground)
      : ground_(ground), metrics_(ground.version, ground.engine_version, ground.clock->now_us()) {}
  ~HttpServer() override { HttpServer::stop(0); }

  void prepare() {
    routes_.clock = ground_.clock;
    routes_.random = ground_.random;
    routes_.log = ground_.log;
    routes_.metrics = &metrics_;
    routes_.actions = &actions_;
    routes_.templates = ground_.templates;
    routes_.readiness = [this] { return readiness(); };
    routes_.version = ground_.version;
    gate_ = std::make_unique<Gate>(routes_);
  }

  Status start(const ServerOptions& options) {
    WEIR_ASSIGN(listener_,
                start_listener(options, {gate_.get(), &metrics_, ground_.log, ground_.clock}));
    const bool is_v6 = options.address.find(':') != std::string::npos;
    url_ = fmt::format("{}://{}:{}", options.tls_certificate.empty() ? "http" : "https",
                       is_v6 ? fmt::format("[{}]", options.address) : options.address,
                       listener_->port());
    listener_->repeat(kProbeMs, [this] {
      if (!routes_.is_open) return;
      probe();
      sign_in_->write_uses();
    });
    return {};
  }

  Status open(catalog::Catalog& catalog, Actions actions) override {
    WEIR_ASSIGN(sign_in_, SignIn::make(catalog, *ground_.clock, *ground_.log));
    routes_.catalog = &catalog;
    routes_.sign_in = sign_in_.get();
    actions_ = std::move(actions);
    probe();
    routes_.is_open = true;
    return {};
  }

  int64_t port() const override { return listener_->port(); }
  std::string url() const override { return url_; }

  void stop(int64_t drain_ms) override {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    const std::lock_guard lock(stop_mutex_);
    if (listener_) listener_->stop(drain_ms);
    if (routes_.is_open) sign_in_->write_uses();
  }

 private:
  /// Asks the catalog beside the requests: readiness waits for nobody.
  void probe() {
    const auto there = routes_.catalog->overview().ping();
    const std::lock_guard lock(mutex_);
    if (there) {
      reached_us_ = ground_.clock->monotonic_us();
      return;
    }
    ground_.log->warning("the catalog does not answer: {}", to_line(there.error()));
    reached_us_ = 0;
  }

  SchedulerState readiness() {
    if (!routes_.is_open)
      return {.is_ready = false,
              .reason = "the catalog cannot be reached: the server waits for it",
              .queue_length = {}};
    SchedulerState state = actions_.state ? actions_.state() : SchedulerState{};
    const std::lock_guard lock(mutex_);
    if (is_stopping_) {
      state.is_ready = false;
      state.reason = "the server is stopping";
    } else if (reached_us_ == 0 || reached_us_ + kProbeLastsUs < ground_.clock->monotonic_us()) {
      state.is_ready = false;
      state.reason = "the catalog does not answer";
    }
    return state;
  }

  const ServerGround ground_;
  Actions actions_;
  Metrics metrics_;
  std::unique_ptr<SignIn> sign_in_;
  Ground routes_;
  std::unique_ptr<Gate> gate_;
  std::string url_;
  std::mutex mutex_;
  int64_t reached_us_ WEIR_GUARDED_BY(mutex_) = 0;
  bool is_stopping_ WEIR_GUARDED_BY(mutex_) = false;
  std::mutex stop_mutex_;
  std::unique_ptr<Listener> listener_;  // last: it goes first
};

}  // namespace

Result<std::unique_ptr<Server>> start_server(const ServerOptions& options,
                                             const ServerGround& ground, Actions actions) {
  auto server = std::make_unique<HttpServer>(ground);
  // Before a route can be asked for: who has a catalog has it from the first request on.
  server->prepare();
  if (ground.catalog != nullptr) WEIR_TRY(server->open(*ground.catalog, std::move(actions)));
  WEIR_TRY(server->start(options));
  return server;
}

}  // namespace weir::server
