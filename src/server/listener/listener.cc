#include "server/listener.h"

#include <thread>

#include <sys/resource.h>

#include <boost/asio/ip/tcp.hpp>

#include "base/instant.h"
#include "server/listener/certificate.h"
#include "server/listener/connection.h"

namespace weir::server {
namespace {

using Tcp = net::ip::tcp;

constexpr int64_t kCertificateMs = 1000;

/// Sockets are open files: as many as the system lets us have, less what the rest of weir opens.
int64_t most_connections(int64_t wanted) {
  constexpr rlim_t kForOthers = 200;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t needed = static_cast<rlim_t>(wanted) + kForOthers;
  if (limit.rlim_cur < needed) {
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= needed) return wanted;
  return std::max<int64_t>(16,
                           static_cast<int64_t>(limit.rlim_cur) - static_cast<int64_t>(kForOthers));
}

class BeastListener : public Listener {
 public:
  BeastListener(const ServerOptions& options, const ListenerGround& ground)
      : hub_(options, ground), acceptor_(hub_.io), retry_(hub_.io) {}
  ~BeastListener() override { stop(0); }

  Status open(const net::ip::address& address) {
    const Tcp::endpoint endpoint(address, static_cast<uint16_t>(hub_.options.port));
    beast::error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(net::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(net::socket_base::max_listen_connections, error);
    if (error == net::error::access_denied)
      return fail_with_hint(
          ErrorCode::kDenied,
          fmt::format("port {} of {} may not be used", hub_.options.port, hub_.options.address),
          "ports below 1024 are the system's: take another one");
    if (error)
      return fail_with_hint(ErrorCode::kUnavailable,
                            fmt::format("port {} of {} cannot be had: {}", hub_.options.port,
                                        hub_.options.address, error.message()),
                            "another process has it, or the address is not of this machine; "
                            "--port 0 takes a free one");
    port_ = acceptor_.local_endpoint().port();
    return {};
  }

  Status load_certificate() {
    const auto& options = hub_.options;
    if (options.tls_certificate.empty()) return {};
    WEIR_ASSIGN(certificate_, Certificate::read(options.tls_certificate, options.tls_key));
    hub_.ground.metrics->set_certificate_expiry(certificate_->expires_at_us());
    return {};
  }

  void run() {
    accept();
    thread_ = std::jthread([this] { hub_.io.run(); });
    repeat(kCertificateMs, [this] { look_at_certificate(); });
  }

  int64_t port() const override { return port_; }

  void repeat(int64_t interval_ms, std::function<void()> work) override {
    net::post(hub_.io, [this, interval_ms, work = std::move(work)] { again(interval_ms, work); });
  }

  void stop(int64_t drain_ms) override {
    if (!thread_.joinable()) {
      hub_.join_workers();
      return;
    }
    net::post(hub_.io, [this] {
      beast::error_code ignored;
      acceptor_.close(ignored);
      retry_.cancel();
      timers_.clear();
      hub_.drain_all();
    });
    if (drain_ms > 0 && !hub_.wait_until_empty(drain_ms))
      hub_.ground.log->warning("the server cuts off what is not answered after {} ms", drain_ms);
    net::post(hub_.io, [this] { hub_.close_all(); });
    hub_.join_workers();
    // What the workers gave back is let go before the connections' hub is.
    hub_.wait_until_empty(5000);
    hub_.io.stop();
    thread_.join();
  }

 private:
  /// Runs on a worker, one at a time.
  void look_at_certificate() {
    const auto& ground = hub_.ground;
    const bool is_asked = hub_.options.wants_new_files && hub_.options.wants_new_files();
    if (certificate_ == nullptr) return;
    const auto taken =
        certificate_->look(is_asked ? Certificate::When::kAtOnce : Certificate::When::kSettled,
                           ground.clock->now_us());
    if (!taken)
      ground.log->warning("the new certificate is not used, the old one stays: {}",
                          to_line(taken.error()));
    if (!taken || *taken) ground.metrics->note_certificate(taken.has_value());
    if (!taken || !*taken) return;
    ground.metrics->set_certificate_expiry(certificate_->expires_at_us());
    ground.log->info("a new certificate is in use, until {}",
                     format_instant(certificate_->expires_at_us()));
  }

  void accept() {
    acceptor_.async_accept([this](const beast::error_code& error, Tcp::socket socket) {
      if (!acceptor_.is_open() || hub_.is_draining) return;
      if (error) return accept_later();
      take(std::move(socket));
      accept();
    });
  }

  /// Without a free file descriptor a new socket would be asked for again and again.
  void accept_later() {
    hub_.make_room();
    retry_.expires_after(std::chrono::milliseconds(50));
    retry_.async_wait([this](const beast::error_code& error) {
      if (!error) accept();
    });
  }

  void take(Tcp::socket socket) {
    if (hub_.is_full() && !hub_.make_room()) {
      hub_.ground.metrics->note_turned_away();
      return;
    }
    beast::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return;
    socket.set_option(Tcp::no_delay(true), error);
    const std::string address = remote.address().to_string();
    if (certificate_ != nullptr)
      std::make_shared<Connection<beast::ssl_stream<beast::tcp_stream>>>(
          hub_, address, std::move(socket), *certificate_->context())
          ->start();
    else
      std::make_shared<Connection<beast::tcp_stream>>(hub_, address, std::move(socket))->start();
  }

  void again(int64_t interval_ms, const std::function<void()>& work) {
    if (hub_.is_draining) return;
    const auto done = [this, interval_ms, work] {
      auto& timer = timers_.emplace_back(std::make_unique<net::steady_timer>(hub_.io));
      timer->expires_after(std::chrono::milliseconds(interval_ms));
      timer->async_wait(
          [this, interval_ms, work, at = timer.get()](const beast::error_code& error) {
            std::erase_if(timers_, [&](const auto& each) { return each.get() == at; });
            if (!error) again(interval_ms, work);
          });
    };
    if (!hub_.submit(work, done)) done();
  }

  Hub hub_;
  Tcp::acceptor acceptor_;
  net::steady_timer retry_;
  std::vector<std::unique_ptr<net::steady_timer>> timers_;
  std::unique_ptr<Certificate> certificate_;
  int64_t port_ = 0;
  std::jthread thread_;
};

}  // namespace

Result<std::unique_ptr<Listener>> start_listener(const ServerOptions& wanted,
                                                 const ListenerGround& ground) {
  ServerOptions options = wanted;
  beast::error_code error;
  const auto address = net::ip::make_address(options.address, error);
  if (error)
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          fmt::format("'{}' is no IP address", options.address),
                          "write 127.0.0.1, ::1, or an address of this machine");
  if (options.tls_certificate.empty() != options.tls_key.empty())
    return fail_with_hint(ErrorCode::kInvalidConfig, "TLS needs a certificate and its key",
                          "give both, --tls-cert and --tls-key");
  if (!address.is_loopback() && options.tls_certificate.empty() && !options.may_be_plain)
    return fail_with_hint(
        ErrorCode::kInvalidConfig,
        fmt::format("on {} passwords and tokens would cross the network in clear", options.address),
        "give --tls-cert and --tls-key; --plain-http says that something in front has TLS");
  if (options.port < 0 || options.port > 65'535)
    return fail(ErrorCode::kInvalidConfig, "{} is no port", options.port);
  options.max_connections = most_connections(options.max_connections);
  auto listener = std::make_unique<BeastListener>(options, ground);
  WEIR_TRY(listener->load_certificate());
  WEIR_TRY(listener->open(address));
  listener->run();
  return listener;
}

}  // namespace weir::server
