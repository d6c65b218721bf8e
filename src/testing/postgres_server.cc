#include "testing/postgres_server.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "testing/free_port.h"

namespace weir::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin";
constexpr const char* kAccount = "postgres";  // The server refuses to run as root.
constexpr int kStartTries = 600;

/// Starts a program, as the account of PostgreSQL where this process is root. Its output goes to
/// `log`. It ends with this process, however that ends.
pid_t spawn(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const passwd* account = getuid() == 0 ? getpwnam(kAccount) : nullptr;
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // In the child: only what is safe after fork.
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (account != nullptr &&
      (setgroups(0, nullptr) != 0 || setgid(account->pw_gid) != 0 || setuid(account->pw_uid) != 0))
    _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);  // Changing the user cleared it.
  if (std::freopen(log.c_str(), "a", stdout) == nullptr) _exit(125);
  dup2(STDOUT_FILENO, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

Status run(const std::vector<std::string>& words, const std::string& log) {
  const pid_t pid = spawn(words, log);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  std::ifstream file(log);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  return fail(ErrorCode::kInternal, "{} ended with status {}: {}", words.front(), status, text);
}

std::string program(const char* name) { return fmt::format("{}/{}", kPrograms, name); }

class Server : public PostgresServer {
 public:
  explicit Server(std::string folder) : folder_(std::move(folder)) {}
  ~Server() override {
    stop(SIGINT);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Status initialize() {
    if (const passwd* account = getuid() == 0 ? getpwnam(kAccount) : nullptr;
        account != nullptr && chown(folder_.c_str(), account->pw_uid, account->pw_gid) != 0)
      return fail(ErrorCode::kDenied, "cannot give {} to {}", folder_, kAccount);
    return run({program("initdb"), "-D", data(), "-A", "trust", "-U", kAccount, "--no-sync",
                "--no-instructions", "-E", "UTF8", "--locale=C"},
               log());
  }

  Status start() override {
    // Again on the port it had. Another program may take a port between asking and using it: then
    // the server ends at once.
    for (int attempt = 0; attempt < 5; ++attempt) {
      if (port_ == 0 || attempt > 0) port_ = free_port();
      pid_ = spawn({program("postgres"), "-D", data(), "-c", "listen_addresses=127.0.0.1", "-c",
                    "port=" + std::to_string(port_), "-c", "unix_socket_directories=" + folder_,
                    "-c", "fsync=off", "-c", "max_connections=60"},
                   log());
      if (is_ready()) return {};
      stop(SIGQUIT);
    }
    return fail(ErrorCode::kUnavailable, "PostgreSQL does not start, see {}", log());
  }

  Status crash() override {
    stop(SIGQUIT);
    return {};
  }

  Result<std::string> create_database() override {
    const std::string name = "test_" + std::to_string(++databases_);
    WEIR_TRY(
        run({program("createdb"), "-h", folder_, "-p", std::to_string(port_), "-U", kAccount, name},
            log()));
    return fmt::format("postgresql://{}@127.0.0.1:{}/{}", kAccount, port_, name);
  }

  const std::string& socket_folder() const override { return folder_; }
  int port() const override { return port_; }

 private:
  std::string data() const { return folder_ + "/data"; }
  std::string log() const { return folder_ + "/log"; }

  /// pg_isready waits inside the server's own protocol, so a try costs milliseconds.
  bool is_ready() {
    for (int tries = 0; tries < kStartTries; ++tries) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = 0;
        return false;
      }
      if (run({program("pg_isready"), "-q", "-h", folder_, "-p", std::to_string(port_)}, log()))
        return true;
      usleep(20'000);
    }
    return false;
  }

  void stop(int signal) {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
  }

  const std::string folder_;
  pid_t pid_ = 0;
  int port_ = 0;
  int databases_ = 0;
};

}  // namespace

Result<std::unique_ptr<PostgresServer>> start_postgres_server() {
  if (access(program("postgres").c_str(), X_OK) != 0)
    return fail(ErrorCode::kNotFound, "PostgreSQL 15 is not installed in {}", kPrograms);
  if (getuid() == 0 && getpwnam(kAccount) == nullptr)
    return fail(ErrorCode::kNotFound, "there is no account '{}' to run PostgreSQL", kAccount);
  // Not below TMPDIR: a socket's path has 107 bytes, and the account must be able to enter.
  std::string folder = "/tmp/weir-postgres-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr)
    return fail(ErrorCode::kUnavailable, "cannot make {}: {}", folder, std::strerror(errno));
  auto server = std::make_unique<Server>(folder);
  WEIR_TRY(server->initialize());
  WEIR_TRY(server->start());
  return server;
}

}  // namespace weir::testing
