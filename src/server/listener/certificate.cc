#include "server/listener/certificate.h"

#include <ctime>

#include <sys/stat.h>

#include <openssl/x509.h>

namespace weir::server {
namespace {

namespace ssl = boost::asio::ssl;

std::unexpected<Error> bad_file(const std::string& file, std::string_view what,
                                const boost::system::error_code& error) {
  return fail(ErrorCode::kInvalidConfig, "{} holds no {} in PEM: {}", file, what, error.message());
}

/// 0: it does not say.
int64_t expiry_us(ssl::context& context) {
  const X509* const shown = SSL_CTX_get0_certificate(context.native_handle());
  tm at{};
  if (shown == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(shown), &at) != 1) return 0;
  return int64_t{timegm(&at)} * 1'000'000;
}

}  // namespace

Result<std::unique_ptr<Certificate>> Certificate::read(std::string certificate, std::string key) {
  std::unique_ptr<Certificate> made(new Certificate(std::move(certificate), std::move(key)));
  made->tried_ = made->seen_ = made->state_of_files();
  WEIR_ASSIGN(made->pair_, made->load());
  return made;
}

std::shared_ptr<ssl::context> Certificate::context() const {
  const std::lock_guard lock(mutex_);
  return pair_.context;
}

int64_t Certificate::expires_at_us() const {
  const std::lock_guard lock(mutex_);
  return pair_.expires_at_us;
}

Result<bool> Certificate::look(When when, int64_t now_us) {
  std::string state = state_of_files();
  const bool is_settled = state == seen_;
  seen_ = state;
  if (when == When::kSettled && (state == tried_ || !is_settled)) return false;
  tried_ = std::move(state);
  WEIR_ASSIGN(Pair pair, load());
  if (pair.expires_at_us <= now_us)
    return fail(ErrorCode::kInvalidData, "the certificate in {} has expired", certificate_);
  const std::lock_guard lock(mutex_);
  pair_ = std::move(pair);
  return true;
}

Result<Certificate::Pair> Certificate::load() const {
  Pair pair;
  pair.context = std::make_shared<ssl::context>(ssl::context::tls_server);
  boost::system::error_code error;
  pair.context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                                ssl::context::no_sslv3 | ssl::context::no_tlsv1 |
                                ssl::context::no_tlsv1_1,
                            error);
  for (const auto& file : {certificate_, key_}) {
    struct stat about{};
    if (stat(file.c_str(), &about) != 0)
      return fail(ErrorCode::kNotFound, "there is no file {}", file);
  }
  pair.context->use_certificate_chain_file(certificate_, error);
  if (error) return bad_file(certificate_, "certificate", error);
  pair.context->use_private_key_file(key_, ssl::context::pem, error);
  if (error) return bad_file(key_, "key for that certificate", error);
  pair.expires_at_us = expiry_us(*pair.context);
  return pair;
}

// Names are followed: who renews may let a link point at new files.
std::string Certificate::state_of_files() const {
  std::string state;
  for (const auto& file : {certificate_, key_}) {
    struct stat about{};
    if (stat(file.c_str(), &about) == 0)
      state += fmt::format("{}:{}:{}:{}.{}", about.st_dev, about.st_ino, about.st_size,
                           about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
    state += '\n';
  }
  return state;
}

}  // namespace weir::server
