#include "testing/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/check.h"

namespace weir::testing {
namespace {

/// One accepted connection, plain or TLS.
class Connection {
 public:
  Connection(int socket, SSL_CTX* tls) : socket_(socket) {
    if (tls == nullptr) return;
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, socket);
    is_open_ = SSL_accept(ssl_) == 1;
  }
  ~Connection() {
    SSL_free(ssl_);
    close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_open() const { return is_open_; }
  /// Appends what came; false at the end.
  bool receive(std::string& to) {
    char bytes[65536];
    const ssize_t size = ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof bytes)
                                         : recv(socket_, bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    to.append(bytes, static_cast<size_t>(size));
    return true;
  }
  bool send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ssl_ != nullptr
                               ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                               : send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(size));
    }
    return true;
  }
  /// The next close sends a reset.
  void reset() {
    const linger at_once{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }

 private:
  int socket_;
  SSL* ssl_ = nullptr;
  bool is_open_ = true;
};

/// Takes one request off the front of what came; false at the end of the connection.
bool read_request(Connection& connection, std::string& buffer, Asked& asked) {
  size_t head_end = 0;
  while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos)
    if (!connection.receive(buffer)) return false;
  std::string_view head = std::string_view(buffer).substr(0, head_end + 2);
  const auto next_line = [&head] {
    const auto end = head.find("\r\n");
    const auto line = head.substr(0, end);
    head.remove_prefix(end + 2);
    return line;
  };
  const auto first = next_line();
  const auto space = first.find(' ');
  asked.method = first.substr(0, space);
  asked.target = first.substr(space + 1, first.rfind(' ') - space - 1);
  while (!head.empty()) {
    const auto line = next_line();
    const auto colon = line.find(':');
    const auto value = line.substr(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
    asked.headers.push_back({std::string(line.substr(0, colon)), std::string(value)});
  }
  size_t length = 0;
  const std::string said = asked.header("content-length");
  std::from_chars(said.data(), said.data() + said.size(), length);
  while (buffer.size() < head_end + 4 + length)
    if (!connection.receive(buffer)) return false;
  asked.body = buffer.substr(head_end + 4, length);
  buffer.erase(0, head_end + 4 + length);
  return true;
}

/// Whether the connection goes on.
bool send_answer(Connection& connection, const Asked& asked, const Answer& answer) {
  if (answer.ending == Ending::kReset) {
    connection.reset();
    return false;
  }
  std::string rest;
  if (answer.ending == Ending::kSilent) {
    while (connection.receive(rest)) rest.clear();
    return false;
  }
  const auto length =
      answer.said_bytes >= 0 ? answer.said_bytes : static_cast<int64_t>(answer.body.size());
  std::string text =
      fmt::format("HTTP/1.1 {} Said\r\nContent-Length: {}\r\n", answer.status, length);
  for (const auto& header : answer.headers) text += header.name + ": " + header.value + "\r\n";
  if (answer.ending == Ending::kHalfHead) {
    connection.send_all(text);
    return false;
  }
  text += "\r\n";
  const bool has_body = asked.method != "HEAD" && answer.status != 204 && answer.status != 304;
  if (has_body)
    text += answer.ending == Ending::kTruncated ? answer.body.substr(0, answer.body.size() / 2)
                                                : answer.body;
  // More was promised than is sent: only the end of the connection says that it is over.
  const bool is_short = has_body && (answer.ending == Ending::kTruncated ||
                                     length > static_cast<int64_t>(answer.body.size()));
  return connection.send_all(text) && !is_short;
}

class Server final : public HttpServer {
 public:
  Server(Script script, const Certificate* certificate) : script_(std::move(script)) {
    std::signal(SIGPIPE,
                SIG_IGN);  // as the program does: OpenSSL writes to connections that are gone
    if (certificate != nullptr) {
      tls_ = SSL_CTX_new(TLS_server_method());
      WEIR_CHECK(SSL_CTX_use_certificate_file(tls_, certificate->certificate_file.c_str(),
                                              SSL_FILETYPE_PEM) == 1);
      WEIR_CHECK(
          SSL_CTX_use_PrivateKey_file(tls_, certificate->key_file.c_str(), SSL_FILETYPE_PEM) == 1);
    }
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    WEIR_CHECK(bind(listener_, generic, size) == 0 && listen(listener_, 64) == 0 &&
               getsockname(listener_, generic, &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~Server() override {
    is_stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    std::vector<std::thread> threads;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [number, socket] : sockets_) shutdown(socket, SHUT_RDWR);
      threads.swap(threads_);
    }
    for (auto& thread : threads) thread.join();
    close(listener_);
    SSL_CTX_free(tls_);
  }

  std::string url() const override {
    return fmt::format("{}://127.0.0.1:{}", tls_ == nullptr ? "http" : "https", port_);
  }
  int port() const override { return port_; }
  std::vector<Asked> asked() const override {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  void accept_all() {
    int number = 0;
    while (!is_stopping_) {
      const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) continue;
      const std::lock_guard lock(mutex_);
      sockets_[++number] = socket;
      threads_.emplace_back([this, socket, number] { serve(socket, number); });
    }
  }
  void serve(int socket, int number) {
    {
      Connection connection(socket, tls_);
      std::string buffer;
      Asked asked;
      while (connection.is_open() && read_request(connection, buffer, asked)) {
        asked.connection = number;
        Answer answer;
        {
          const std::lock_guard lock(mutex_);
          asked_.push_back(asked);
          answer = script_(asked);
        }
        if (!send_answer(connection, asked, answer)) break;
        asked = {};
      }
      const std::lock_guard lock(mutex_);
      sockets_.erase(number);
    }
  }

  Script script_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> is_stopping_ = false;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::vector<std::thread> threads_ WEIR_GUARDED_BY(mutex_);
  std::map<int, int> sockets_ WEIR_GUARDED_BY(mutex_);
  std::vector<Asked> asked_ WEIR_GUARDED_BY(mutex_);
};

template <typename Write>
void write_pem(const std::string& path, Write write) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  WEIR_CHECK(file != nullptr && write(file) == 1);
  std::fclose(file);
}

}  // namespace

Certificate::Certificate() {
  folder = (std::filesystem::temp_directory_path() / "weir-tls-XXXXXX").string();
  WEIR_CHECK(mkdtemp(folder.data()) != nullptr);
  certificate_file = folder + "/certificate.pem";
  key_file = folder + "/key.pem";
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* made = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
  X509_set_version(made, X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(made), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made), 24L * 3600);
  X509_set_pubkey(made, key);
  X509_NAME* name = X509_get_subject_name(made);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("weir test"), -1, -1, 0);
  X509_set_issuer_name(made, name);
  X509V3_CTX context;
  X509V3_set_ctx(&context, made, made, nullptr, nullptr, 0);
  for (const auto& [kind, value] : {std::pair{NID_subject_alt_name, "IP:127.0.0.1"},
                                    std::pair{NID_basic_constraints, "critical,CA:TRUE"}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
    X509_add_ext(made, extension, -1);
    X509_EXTENSION_free(extension);
  }
  WEIR_CHECK(X509_sign(made, key, EVP_sha256()) > 0);
  write_pem(certificate_file, [made](std::FILE* file) { return PEM_write_X509(file, made); });
  write_pem(key_file, [key](std::FILE* file) {
    return PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
  X509_free(made);
  EVP_PKEY_free(key);
}

Certificate::~Certificate() {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

std::unique_ptr<HttpServer> start_http_server(Script script, const Certificate* certificate) {
  return std::make_unique<Server>(std::move(script), certificate);
}

}  // namespace weir::testing
