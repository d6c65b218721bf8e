#include "testing/sftp_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "testing/free_port.h"

namespace weir::testing {
namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "/usr/sbin/sshd";
constexpr int kStartTries = 500;  // of 20 ms
constexpr int kTryUs = 20'000;

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

pid_t spawn(const std::vector<std::string>& words, const std::string& log) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // In the child: only what is safe after fork.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (std::freopen(log.c_str(), "a", stdout) == nullptr) _exit(125);
  dup2(STDOUT_FILENO, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

bool succeeds(const std::vector<std::string>& words, const std::string& log) {
  int status = 0;
  return waitpid(spawn(words, log), &status, 0) > 0 && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

/// The processes whose parent is one of `of`, and theirs.
std::vector<pid_t> descendants(pid_t of) {
  std::vector<pid_t> found = {of};
  for (size_t i = 0; i < found.size(); ++i) {
    for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", found[i]),
                                                   fs::directory_options::skip_permission_denied)) {
      std::istringstream children(text_of(task.path() / "children"));
      for (pid_t child = 0; children >> child;) found.push_back(child);
    }
  }
  found.erase(found.begin());
  return found;
}

class Server final : public SftpServer {
 public:
  explicit Server(std::string folder) : folder_(std::move(folder)) {}
  ~Server() override {
    stop();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Status start() {
    if (const passwd* const me = getpwuid(getuid()); me != nullptr) user_ = me->pw_name;
    if (getuid() == 0) fs::create_directories("/run/sshd");
    for (const char* key : {"host", "user"})
      if (!succeeds({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                     fmt::format("{}/{}", folder_, key)},
                    log()))
        return fail(ErrorCode::kUnavailable, "ssh-keygen failed: {}", text_of(log()));
    private_key_ = text_of(folder_ + "/user");
    fs::copy_file(folder_ + "/user.pub", folder_ + "/authorized");
    if (!succeeds({"/usr/bin/ssh-keygen", "-lf", folder_ + "/host.pub"}, folder_ + "/print"))
      return fail(ErrorCode::kUnavailable, "ssh-keygen failed");
    std::istringstream print(text_of(folder_ + "/print"));
    print >> fingerprint_ >> fingerprint_;
    for (int attempt = 0; attempt < 5; ++attempt) {
      port_ = free_port();
      std::ofstream(folder_ + "/config") << fmt::format(
          "Port {}\nListenAddress 127.0.0.1\nHostKey {}/host\nPidFile none\nStrictModes no\n"
          "AuthorizedKeysFile {}/authorized\nUsePAM no\nPasswordAuthentication no\n"
          "KbdInteractiveAuthentication no\nPermitRootLogin yes\nAllowTcpForwarding no\n"
          "Subsystem sftp internal-sftp\n",
          port_, folder_, folder_);
      pid_ = spawn({kProgram, "-D", "-e", "-f", folder_ + "/config"}, log());
      if (is_ready()) return {};
      stop();
    }
    return fail(ErrorCode::kUnavailable, "sshd does not start: {}", text_of(log()));
  }

  int port() const override { return port_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  const std::string& user() const override { return user_; }
  const std::string& private_key() const override { return private_key_; }

  Result<std::string> make_folder() override {
    std::string made = fmt::format("{}/data/{}", folder_, ++folders_);
    fs::create_directories(made);
    return made;
  }

  void drop_connections() override {
    for (const pid_t each : descendants(pid_)) kill(each, SIGKILL);
  }
  void stand_still() override { send(SIGSTOP); }
  void go_on() override { send(SIGCONT); }
  int connections() const override { return static_cast<int>(descendants(pid_).size()); }

 private:
  std::string log() const { return folder_ + "/log"; }

  void send(int signal) const {
    kill(pid_, signal);
    for (const pid_t each : descendants(pid_)) kill(each, signal);
  }

  bool is_ready() const {
    for (int i = 0; i < kStartTries; ++i) {
      if (waitpid(pid_, nullptr, WNOHANG) != 0) return false;
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(static_cast<uint16_t>(port_));
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      const bool is_up = connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
      close(socket);
      if (is_up) return true;
      usleep(kTryUs);
    }
    return false;
  }

  void stop() {
    if (pid_ <= 0) return;
    drop_connections();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  const std::string folder_;
  std::string user_;
  std::string private_key_;
  std::string fingerprint_;
  int port_ = 0;
  int folders_ = 0;
  pid_t pid_ = 0;
};

}  // namespace

Result<std::unique_ptr<SftpServer>> start_sftp_server() {
  if (access(kProgram, X_OK) != 0)
    return fail(ErrorCode::kNotFound, "there is no {}: apt-get install openssh-server", kProgram);
  std::string folder = (fs::temp_directory_path() / "weir-sftp-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr)
    return fail(ErrorCode::kUnavailable, "cannot make a folder like '{}'", folder);
  auto server = std::make_unique<Server>(folder);
  WEIR_TRY(server->start());
  return server;
}

}  // namespace weir::testing
