#include "testing/s3_server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "net/http.h"
#include "net/sigv4.h"
#include "testing/free_port.h"

namespace weir::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kStartTries = 1500;  // of 20 ms

std::string standins_folder() {
  if (const char* given = std::getenv("WEIR_STANDINS"); given != nullptr) return given;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string base =
      cache != nullptr ? cache : std::string(home != nullptr ? home : "") + "/.cache";
  return base + "/weir/standins";
}

/// Starts a program that ends with this one, however that ends. Its output goes to `log`.
pid_t spawn(const std::vector<std::string>& words, const std::vector<std::string>& environment,
            const std::string& log) {
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> variables;
  for (const auto& each : environment) variables.push_back(const_cast<char*>(each.c_str()));
  variables.push_back(nullptr);
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // In the child: only what is safe after fork.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (std::freopen(log.c_str(), "a", stdout) == nullptr) _exit(125);
  dup2(STDOUT_FILENO, STDERR_FILENO);
  execve(argv[0], argv.data(), variables.data());
  _exit(127);
}

class Server final : public S3Server {
 public:
  Server(S3Kind kind, std::string program, std::string folder, std::unique_ptr<net::Http> http)
      : kind_(kind),
        program_(std::move(program)),
        folder_(std::move(folder)),
        http_(std::move(http)) {}
  ~Server() override {
    stop();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Status start() {
    fs::create_directories(folder_ + "/data");
    // Another program may take a port between asking and using it: then the server ends at once.
    for (int attempt = 0; attempt < 5; ++attempt) {
      const std::string host = fmt::format("127.0.0.1:{}", free_port());
      endpoint_ = "http://" + host;
      pid_ = spawn(words(host), variables(), folder_ + "/log");
      if (is_ready()) return {};
      stop();
    }
    return fail(ErrorCode::kUnavailable, "{} does not start: {}", program_, log());
  }

  const std::string& endpoint() const override { return endpoint_; }
  const std::string& access_key_id() const override { return access_key_id_; }
  const std::string& secret_access_key() const override { return secret_access_key_; }

  Result<std::string> create_bucket() override {
    std::string name = fmt::format("weir-test-{}", ++buckets_);
    net::Request request;
    request.method = "PUT";
    request.url = endpoint_ + "/" + name;
    const std::string sha256 = sha256_hex("");
    request.headers.push_back({"X-Amz-Content-Sha256", sha256});
    WEIR_TRY(net::sign(request,
                       {.access_key_id = access_key_id_,
                        .secret_access_key = secret_access_key_,
                        .session_token = {},
                        .source = {}},
                       {.region = "us-east-1",
                        .service = "s3",
                        .at_us = make_system_clock()->now_us(),
                        .path = net::PathForm::kAsSent},
                       sha256));
    WEIR_ASSIGN(const auto response, http_->send(request, never_));
    if (response.status == 200) return name;
    return fail(ErrorCode::kInternal, "no bucket: HTTP {}: {}", response.status, response.body);
  }

 private:
  std::vector<std::string> words(const std::string& host) const {
    if (kind_ == S3Kind::kMinio) return {program_, "server", folder_ + "/data", "--address", host};
    return {program_,  "--access", access_key_id_,   "--secret",  secret_access_key_,
            "--port",  host,       "--region",       "us-east-1", "--keep-alive",
            "--quiet", "posix",    folder_ + "/data"};
  }
  std::vector<std::string> variables() const {
    return {"HOME=" + folder_, "PATH=/usr/bin:/bin", "MINIO_ROOT_USER=" + access_key_id_,
            "MINIO_ROOT_PASSWORD=" + secret_access_key_, "MINIO_BROWSER=off"};
  }
  std::string log() const {
    std::ifstream file(folder_ + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  bool is_ready() {
    net::Request request;
    request.url = endpoint_ + "/";
    for (int tries = 0; tries < kStartTries; ++tries) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = 0;
        return false;
      }
      // Any answer but one of a server that is still waking up.
      const auto response = http_->send(request, never_);
      if (response && response->status < 500) return true;
      usleep(20'000);
    }
    return false;
  }

  void stop() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);  // its data is removed next
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
  }

  const S3Kind kind_;
  const std::string program_;
  const std::string folder_;
  const std::unique_ptr<net::Http> http_;
  const std::string access_key_id_ = "AKIAWEIRTEST";
  const std::string secret_access_key_ = "weir/test+secret";
  const Cancel never_;
  std::string endpoint_;
  pid_t pid_ = 0;
  std::atomic<int> buckets_ = 0;
};

}  // namespace

Result<std::unique_ptr<S3Server>> start_s3_server(S3Kind kind) {
  const std::string program =
      standins_folder() + (kind == S3Kind::kMinio ? "/minio" : "/versitygw");
  if (access(program.c_str(), X_OK) != 0)
    return fail_with_hint(
        ErrorCode::kNotFound, fmt::format("there is no {}", program),
        kind == S3Kind::kMinio ? "./dev standins --all builds it" : "./dev standins builds it");
  std::string folder = (fs::temp_directory_path() / "weir-s3-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr)
    return fail(ErrorCode::kUnavailable, "cannot make {}", folder);
  WEIR_ASSIGN(auto http, net::make_http({}, net::Reach::anywhere()));
  auto server = std::make_unique<Server>(kind, program, folder, std::move(http));
  WEIR_TRY(server->start());
  return server;
}

std::unique_ptr<net::CredentialSource> keys_of(const S3Server& server) {
  class GivenKeys final : public net::CredentialSource {
   public:
    explicit GivenKeys(net::Credentials keys) : keys_(std::move(keys)) {}
    Result<net::Credentials> get(const Cancel& /*cancel*/) override { return keys_; }
    void forget(const net::Credentials& /*keys*/) override {}

   private:
    net::Credentials keys_;
  };
  return std::make_unique<GivenKeys>(
      net::Credentials{.access_key_id = server.access_key_id(),
                       .secret_access_key = server.secret_access_key(),
                       .session_token = {},
                       .source = "given"});
}

}  // namespace weir::testing
