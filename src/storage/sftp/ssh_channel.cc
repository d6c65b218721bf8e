#include "storage/sftp/ssh_channel.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <libssh/libssh.h>

// libssh works without blocking here, and all waiting is ours: so every wait ends at a cancel and
// at its deadline, also where the peer stands still in the middle of a packet.

namespace weir::storage::sftp {
namespace {

constexpr int kSliceMs = 100;
constexpr int64_t kTidyUpMs = 5'000;
constexpr std::string_view kLoginRefused = "does not take the login";

/// How long a step may go on.
class Patience {
 public:
  Patience(const SftpGround& ground, int64_t most_ms)
      : ground_(&ground), end_us_(ground.clock->monotonic_us() + most_ms * 1000) {}
  void ignore_cancel() { heeds_cancel_ = false; }
  Status check(std::string_view place, std::string_view step) const {
    if (heeds_cancel_) WEIR_TRY(ground_->cancel->check());
    if (ground_->clock->monotonic_us() < end_us_) return {};
    return fail(ErrorCode::kUnavailable, "'{}' does not answer: {}", place, step);
  }

 private:
  const SftpGround* ground_;
  int64_t end_us_;
  bool heeds_cancel_ = true;
};

struct SessionFree {
  void operator()(ssh_session session) const {
    ssh_disconnect(session);
    ssh_free(session);
  }
};
using Ssh = std::unique_ptr<ssh_session_struct, SessionFree>;

struct KeyFree {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};
using Key = std::unique_ptr<ssh_key_struct, KeyFree>;

void wait_for(socket_t socket, short events) {
  pollfd each{socket, events, 0};
  poll(&each, 1, kSliceMs);
}

std::unexpected<Error> unavailable(std::string_view place, std::string_view step,
                                   std::string_view why) {
  return fail(ErrorCode::kUnavailable, "cannot {} '{}': {}", step, place, why);
}

void set_option(int socket, int level, int name, int value) {
  setsockopt(socket, level, name, &value, sizeof value);
}

/// Dead peers are found though nothing is said for a while, and though what was said is not taken.
void keep_alive(int socket, int64_t stall_timeout_ms) {
  constexpr int kIdleS = 30;
  constexpr int kBetweenS = 10;
  constexpr int kProbes = 3;
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, kIdleS);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, kBetweenS);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(stall_timeout_ms));
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
}

/// A connected socket to one address, or -1 with errno.
Result<int> connect_to(const addrinfo& to, const std::string& place, const Patience& patience) {
  const int socket = ::socket(to.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  int error = ::connect(socket, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  while (error == EINPROGRESS || error == EALREADY) {
    pollfd each{socket, POLLOUT, 0};
    if (poll(&each, 1, kSliceMs) > 0) {
      socklen_t size = sizeof error;
      getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
      break;
    }
    if (Status status = patience.check(place, "connecting"); !status) {
      ::close(socket);
      return std::unexpected(std::move(status).error());
    }
  }
  if (error == 0) return socket;
  ::close(socket);
  errno = error;
  return -1;
}

Result<int> connect_socket(const Address& address, const Patience& patience) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) return unavailable(address.place(), "find", gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, freeaddrinfo);
  int error = 0;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    WEIR_ASSIGN(const int socket, connect_to(*each, address.place(), patience));
    if (socket >= 0) return socket;
    error = errno;
  }
  return unavailable(address.place(), "connect to", std::generic_category().message(error));
}

/// The kinds of host keys, best first. A host has several, and who pinned one may have pinned any.
constexpr std::array<const char*, 3> kKinds = {
    "ssh-ed25519", "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256"};

class Login {
 public:
  Login(const Address& address, const SftpOptions& options, const SftpGround& ground)
      : address_(address),
        options_(options),
        place_(address.place()),
        patience_(ground, options.connect_timeout_ms) {}

  /// Connects and agrees on keys; the host has proven that its key is its own.
  Result<Ssh> shake_hands(const char* host_key_kinds) {
    WEIR_ASSIGN(const int socket, connect_socket(address_, patience_));
    keep_alive(socket, options_.stall_timeout_ms);
    Ssh ssh(ssh_new());
    if (ssh == nullptr) {
      ::close(socket);
      return fail(ErrorCode::kResourceExhausted, "there is no memory for a connection");
    }
    const bool no = false;
    const int quiet = SSH_LOG_NOLOG;
    const auto port = static_cast<unsigned>(address_.port);
    // Nothing of ~/.ssh, /etc/ssh or an agent takes part: what holds is what the project says.
    ssh_options_set(ssh.get(), SSH_OPTIONS_PROCESS_CONFIG, &no);
    ssh_options_set(ssh.get(), SSH_OPTIONS_LOG_VERBOSITY, &quiet);
    ssh_options_set(ssh.get(), SSH_OPTIONS_FD, &socket);  // closed with the session
    ssh_options_set(ssh.get(), SSH_OPTIONS_HOST, address_.host.c_str());
    ssh_options_set(ssh.get(), SSH_OPTIONS_PORT, &port);
    ssh_options_set(ssh.get(), SSH_OPTIONS_USER, options_.user.c_str());
    ssh_options_set(ssh.get(), SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    ssh_options_set(ssh.get(), SSH_OPTIONS_KNOWNHOSTS,
                    options_.known_hosts.empty() ? "/dev/null" : options_.known_hosts.c_str());
    if (host_key_kinds != nullptr) ssh_options_set(ssh.get(), SSH_OPTIONS_HOSTKEYS, host_key_kinds);
    ssh_set_blocking(ssh.get(), 0);
    WEIR_TRY(again(ssh.get(), "agreeing on keys", [&] { return ssh_connect(ssh.get()); }));
    return ssh;
  }

  /// A connection whose host is the one that was named.
  Result<Ssh> connect() {
    WEIR_ASSIGN(Ssh ssh, shake_hands(nullptr));
    WEIR_ASSIGN(const std::string seen, fingerprint_of(ssh.get()));
    if (options_.host_keys.empty() && options_.known_hosts.empty()) return unknown(seen);
    if (options_.host_keys.empty()) {
      WEIR_TRY(check_known_hosts(ssh.get(), seen));
      return ssh;
    }
    if (is_pinned(seen)) return ssh;
    std::vector<std::string> all = {seen};
    for (const char* kinds : kKinds) {
      auto other = shake_hands(kinds);
      if (!other) continue;  // it has no key of that kind
      WEIR_ASSIGN(std::string its, fingerprint_of(other->get()));
      if (is_pinned(its)) return other;
      if (std::ranges::find(all, its) == all.end()) all.push_back(std::move(its));
    }
    return changed(fmt::format("{}", fmt::join(all, ", ")), "its host_key");
  }

  Status log_in(ssh_session ssh, const SftpLogin& login) {
    std::vector<std::string> tried;
    if (!login.private_key.empty()) {
      WEIR_ASSIGN(const Key key, read_key(login));
      WEIR_ASSIGN(const bool is_in, attempt(ssh, "the private key", [&] {
                    return ssh_userauth_publickey(ssh, nullptr, key.get());
                  }));
      if (is_in) return {};
      tried.emplace_back("the private key");
    }
    if (!login.password.empty()) {
      WEIR_ASSIGN(const bool is_in, attempt(ssh, "the password", [&] {
                    return ssh_userauth_password(ssh, nullptr, login.password.c_str());
                  }));
      if (is_in) return {};
      WEIR_ASSIGN(const bool is_in_by_prompt, answer_prompts(ssh, login.password));
      if (is_in_by_prompt) return {};
      tried.emplace_back("the password");
    }
    if (tried.empty())
      return fail_with_hint(ErrorCode::kDenied,
                            fmt::format("there is no key and no password for '{}'", place_),
                            "name a secret: private_key: secret://… or password: secret://…");
    return fail_with_hint(ErrorCode::kDenied,
                          fmt::format("'{}' {} of user '{}': it refused {}", place_, kLoginRefused,
                                      options_.user, fmt::join(tried, " and ")),
                          "compare user and secret with what the server's owner has of you");
  }

  /// The channel of the SFTP subsystem. It belongs to the session.
  Result<ssh_channel> open_channel(ssh_session ssh) {
    ssh_channel const channel = ssh_channel_new(ssh);
    if (channel == nullptr) return fail(ErrorCode::kResourceExhausted, "no memory for a channel");
    WEIR_TRY(again(ssh, "opening a channel", [&] { return ssh_channel_open_session(channel); }));
    WEIR_TRY(again(ssh, "asking for SFTP",
                   [&] { return ssh_channel_request_subsystem(channel, "sftp"); }));
    return channel;
  }

 private:
  template <typename Call>
  Status again(ssh_session ssh, std::string_view step, Call call) {
    for (;;) {
      const int result = call();
      if (result == SSH_OK) return {};
      if (result != SSH_AGAIN)
        return unavailable(place_, "talk to",
                           fmt::format("{} failed: {}", step, ssh_get_error(ssh)));
      WEIR_TRY(patience_.check(place_, step));
      wait_for(ssh_get_fd(ssh), POLLIN);
    }
  }

  /// Whether the login was taken.
  template <typename Call>
  Result<bool> attempt(ssh_session ssh, std::string_view with, Call call) {
    for (;;) {
      switch (call()) {
        case SSH_AUTH_SUCCESS: return true;
        case SSH_AUTH_AGAIN:
          WEIR_TRY(patience_.check(place_, "logging in"));
          wait_for(ssh_get_fd(ssh), POLLIN);
          break;
        case SSH_AUTH_ERROR:
          if (ssh_is_connected(ssh) == 0)
            return unavailable(place_, "log in at",
                               fmt::format("with {}: {}", with, ssh_get_error(ssh)));
          return false;
        default: return false;
      }
    }
  }

  Result<bool> answer_prompts(ssh_session ssh, const std::string& password) {
    constexpr int kMostRounds = 5;
    for (int round = 0; round < kMostRounds; ++round) {
      int state = SSH_AUTH_ERROR;
      WEIR_ASSIGN(const bool is_in, attempt(ssh, "the password", [&] {
                    return state = ssh_userauth_kbdint(ssh, nullptr, nullptr);
                  }));
      if (is_in || state != SSH_AUTH_INFO) return is_in;
      const int prompts = ssh_userauth_kbdint_getnprompts(ssh);
      for (int i = 0; i < prompts; ++i)
        ssh_userauth_kbdint_setanswer(ssh, static_cast<unsigned>(i), password.c_str());
    }
    return false;
  }

  static Result<Key> read_key(const SftpLogin& login) {
    // An end of line may be lost on the way through a secret.
    const std::string text = login.private_key + (login.private_key.ends_with('\n') ? "" : "\n");
    ssh_key key = nullptr;
    // Without a passphrase libssh would ask for it at the terminal.
    const int result = ssh_pki_import_privkey_base64(
        text.c_str(), login.passphrase.c_str(),
        [](const char*, char*, size_t, int, int, void*) { return -1; }, nullptr, &key);
    if (result == SSH_OK) return Key(key);
    return fail_with_hint(ErrorCode::kInvalidConfig,
                          "the private key cannot be read, or its passphrase is another one",
                          "keep the whole text of the file, from -----BEGIN to END…-----, and "
                          "name `passphrase` where it is locked");
  }

  Result<std::string> fingerprint_of(ssh_session ssh) const {
    ssh_key raw = nullptr;
    if (ssh_get_server_publickey(ssh, &raw) != SSH_OK)
      return unavailable(place_, "talk to", "it shows no host key");
    const Key key(raw);
    unsigned char* hash = nullptr;
    size_t size = 0;
    if (ssh_get_publickey_hash(key.get(), SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != 0)
      return fail(ErrorCode::kInternal, "the host key of '{}' has no digest", place_);
    char* text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
    std::string fingerprint(text == nullptr ? "" : text);
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
    return fingerprint;
  }

  bool is_pinned(const std::string& fingerprint) const {
    return std::ranges::find(options_.host_keys, fingerprint) != options_.host_keys.end();
  }

  std::unexpected<Error> unknown(const std::string& seen) const {
    return fail_with_hint(
        ErrorCode::kDenied,
        fmt::format("the host '{}' is unknown: nothing says which key it has; it shows {}", place_,
                    seen),
        fmt::format("ask its owner for the fingerprint by another way; where it is this one, write "
                    "`host_key: {}` in the connection",
                    seen));
  }

  std::unexpected<Error> changed(const std::string& seen, std::string_view where) const {
    return fail_with_hint(
        ErrorCode::kDenied,
        fmt::format("THE HOST KEY OF '{}' IS NOT THE ONE IN {}: it shows {}; somebody may be "
                    "listening in between, so nothing was sent",
                    place_, where, seen),
        "ask its owner by another way whether the key was changed, and only then write the new "
        "one");
  }

  Status check_known_hosts(ssh_session ssh, const std::string& seen) const {
    if (access(options_.known_hosts.c_str(), R_OK) != 0)
      return fail(ErrorCode::kInvalidConfig, "cannot read known_hosts '{}': {}",
                  options_.known_hosts, std::generic_category().message(errno));
    switch (ssh_session_is_known_server(ssh)) {
      case SSH_KNOWN_HOSTS_OK: return {};
      case SSH_KNOWN_HOSTS_CHANGED:
      case SSH_KNOWN_HOSTS_OTHER: return changed(seen, options_.known_hosts);
      case SSH_KNOWN_HOSTS_ERROR:
        return fail(ErrorCode::kInvalidConfig, "cannot read known_hosts '{}': {}",
                    options_.known_hosts, ssh_get_error(ssh));
      default: return unknown(seen);
    }
  }

  const Address& address_;
  const SftpOptions& options_;
  const std::string place_;
  Patience patience_;
};

class SshChannel final : public Channel {
 public:
  SshChannel(Ssh ssh, ssh_channel channel, std::string place, int64_t stall_timeout_ms,
             const SftpGround& ground)
      : ssh_(std::move(ssh)),
        channel_(channel),
        place_(std::move(place)),
        stall_timeout_ms_(stall_timeout_ms),
        ground_(ground) {}

  Status send(std::string_view bytes) override {
    Patience patience = new_patience();
    WEIR_TRY(patience.check(place_, "sending"));
    while (!bytes.empty()) {
      // What the peer has room for: a write beyond it would wait inside libssh.
      const uint32_t room = ssh_channel_window_size(channel_);
      const auto size = static_cast<uint32_t>(std::min<size_t>(bytes.size(), room));
      const int written = size == 0 ? 0 : ssh_channel_write(channel_, bytes.data(), size);
      if (written == SSH_ERROR) return gone("write to");
      if (written > 0) {
        bytes.remove_prefix(static_cast<size_t>(written));
        patience = new_patience();
        continue;
      }
      if (Status status = patience.check(place_, "it takes nothing more"); !status) {
        status.error().code = ErrorCode::kUnavailable;
        return status;
      }
      WEIR_TRY(drain());
      if (ssh_channel_poll_timeout(channel_, kSliceMs, 0) == SSH_ERROR) return gone("write to");
    }
    return {};
  }

  Result<std::string> receive() override {
    const Patience patience = new_patience();
    for (;;) {
      WEIR_TRY(drain());
      if (!inbox_.empty()) return std::exchange(inbox_, {});
      if (ssh_channel_is_eof(channel_) != 0 || ssh_channel_is_closed(channel_) != 0)
        return gone("read from");
      WEIR_TRY(patience.check(place_, "waiting for an answer"));
      const int found = ssh_channel_poll_timeout(channel_, kSliceMs, 0);
      if (found == SSH_ERROR) return gone("read from");
    }
  }

  void tidy_up() override { is_tidying_ = true; }

 private:
  Patience new_patience() const {
    Patience patience(ground_,
                      is_tidying_ ? std::min(kTidyUpMs, stall_timeout_ms_) : stall_timeout_ms_);
    if (is_tidying_) patience.ignore_cancel();
    return patience;
  }

  /// Takes what has come, so that polling goes on to hear the peer.
  Status drain() {
    std::array<char, size_t{32} << 10> piece;
    for (;;) {
      const int count = ssh_channel_read_nonblocking(channel_, piece.data(), piece.size(), 0);
      if (count == SSH_ERROR) return gone("read from");
      if (count <= 0) return {};
      inbox_.append(piece.data(), static_cast<size_t>(count));
    }
  }

  std::unexpected<Error> gone(std::string_view step) const {
    const std::string_view why = ssh_get_error(ssh_.get());
    return unavailable(place_, step, why.empty() ? "the connection ended" : why);
  }

  Ssh ssh_;
  ssh_channel channel_;
  const std::string place_;
  const int64_t stall_timeout_ms_;
  const SftpGround ground_;
  std::string inbox_;
  bool is_tidying_ = false;
};

}  // namespace

bool is_login_refused(const Error& error) {
  return error.code == ErrorCode::kDenied && error.message.find(kLoginRefused) != std::string::npos;
}

Result<std::unique_ptr<Channel>> dial(const Address& address, const SftpOptions& options,
                                      const SftpLogin& login, const SftpGround& ground) {
  Login work(address, options, ground);
  WEIR_ASSIGN(Ssh ssh, work.connect());
  WEIR_TRY(work.log_in(ssh.get(), login));
  WEIR_ASSIGN(ssh_channel const channel, work.open_channel(ssh.get()));
  return std::make_unique<SshChannel>(std::move(ssh), channel, address.place(),
                                      options.stall_timeout_ms, ground);
}

}  // namespace weir::storage::sftp
