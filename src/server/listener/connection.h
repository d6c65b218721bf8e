#pragma once

/// One connection: head, judgement, body, deed, answer, and again.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "server/listener/hub.h"

namespace weir::server {

namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace net = boost::asio;

using Parser = http::request_parser<http::string_body>;

/// The head as a value; names of headers in small letters.
RequestHead head_of(const Parser& parser, std::string remote_address, bool is_tls);
/// The answer to a request that Beast could not read; nothing where the other end is gone.
std::optional<Answer> answer_to(const beast::error_code& error, Gate& gate, bool is_tls);
/// All of an answer but its body.
http::response_header<> header_of(const Answer& answer, unsigned version);

constexpr uint32_t kMaxHeadBytes = 16 * 1024;
constexpr uint64_t kMaxBodyBytes = uint64_t{8} << 20;
/// Before anybody is known.
constexpr uint64_t kMaxSignInBytes = 8 * 1024;
/// What is still read of a request whose answer is written, so that the answer arrives.
constexpr size_t kMaxLeftBytes = size_t{1} << 20;

template <typename Below>
class Connection : public Peer {
  static constexpr bool kIsTls = !std::is_same_v<Below, beast::tcp_stream>;

 public:
  template <typename... Args>
  Connection(Hub& hub, std::string remote_address, Args&&... args)
      : hub_(hub),
        remote_address_(std::move(remote_address)),
        stream_(std::forward<Args>(args)...),
        timer_(hub.io) {
    hub_.enter(*this);
  }
  ~Connection() override {
    if (is_streaming_) hub_.count_streams(-1);
    hub_.leave(*this);
  }

  void start() override {
    wait();
    if constexpr (kIsTls) {
      expire(hub_.options.head_timeout_ms);
      stream_.async_handshake(net::ssl::stream_base::server,
                              [this, self = self()](const beast::error_code& error) {
                                if (error) return close();
                                read_head();
                              });
    } else {
      read_head();
    }
  }

  void close() override {
    beast::error_code ignored;
    stop_waiting();  // Now, not when its wait is over: nobody makes room by closing it twice.
    timer_.cancel();
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

  void drain() override {
    if (is_waiting_) close();
    timer_.cancel();  // A stream sees that it is time.
  }

 private:
  std::shared_ptr<Peer> self() { return shared_from_this(); }
  void expire(int64_t after_ms) {
    beast::get_lowest_layer(stream_).expires_after(std::chrono::milliseconds(after_ms));
  }
  void wait() {
    if (!is_waiting_) hub_.begin_waiting(*this);
    is_waiting_ = true;
  }
  void stop_waiting() {
    if (is_waiting_) hub_.end_waiting(*this);
    is_waiting_ = false;
  }

  void read_head() {
    if (hub_.is_draining) return finish();
    wait();
    parser_.emplace();
    parser_->header_limit(kMaxHeadBytes);
    parser_->body_limit(kMaxBodyBytes);
    expire(hub_.options.head_timeout_ms);
    http::async_read_header(stream_, buffer_, *parser_,
                            [this, self = self()](const beast::error_code& error, size_t) {
                              stop_waiting();
                              on_head(error);
                            });
  }

  void on_head(const beast::error_code& error) {
    if (error) return unreadable(error);
    RequestHead head = head_of(*parser_, remote_address_, kIsTls);
    is_head_ = head.method == "HEAD";
    keeps_alive_ = parser_->get().keep_alive();
    const bool has_body = !parser_->is_done();
    Gate& gate = *hub_.ground.gate;
    if (Gate::is_quick(head)) {
      take(gate.admit(head));
      if (admitted_) answer_ = gate.perform(*std::exchange(admitted_, std::nullopt), "");
      return send(has_body);
    }
    beast::get_lowest_layer(stream_).expires_never();
    submit(
        [this, &gate, head = std::move(head), has_body] {
          take(gate.admit(head));
          if (admitted_ && !has_body)
            answer_ = gate.perform(*std::exchange(admitted_, std::nullopt), "");
        },
        [this, has_body] {
          if (answer_) return send(has_body);
          read_body();
        });
  }

  void take(Gate::Admission admission) {
    if (auto* answer = std::get_if<Answer>(&admission))
      answer_ = std::move(*answer);
    else
      admitted_ = std::get<Gate::Admitted>(std::move(admission));
  }

  void unreadable(const beast::error_code& error) {
    answer_ = answer_to(error, *hub_.ground.gate, kIsTls);
    if (!answer_) return close();
    keeps_alive_ = false;
    is_head_ = false;
    send(true);
  }

  void read_body() {
    const bool is_known = admitted_->call.route->access != Access::kSignIn;
    const uint64_t most = is_known ? kMaxBodyBytes : kMaxSignInBytes;
    if (parser_->content_length().value_or(0) > most)
      return unreadable(http::make_error_code(http::error::body_limit));
    parser_->body_limit(most);
    expire(hub_.options.body_timeout_ms);
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
      static constexpr std::string_view kGoOn = "HTTP/1.1 100 Continue\r\n\r\n";
      net::async_write(stream_, net::buffer(kGoOn),
                       [this, self = self()](const beast::error_code& error, size_t) {
                         if (error) return close();
                         read_rest();
                       });
      return;
    }
    read_rest();
  }

  void read_rest() {
    http::async_read(stream_, buffer_, *parser_,
                     [this, self = self()](const beast::error_code& error, size_t) {
                       if (error) return unreadable(error);
                       beast::get_lowest_layer(stream_).expires_never();
                       submit(
                           [this] {
                             answer_ = hub_.ground.gate->perform(
                                 *std::exchange(admitted_, std::nullopt), parser_->get().body());
                           },
                           [this] { send(false); });
                     });
  }

  /// On a worker, then back here. A library below may throw; nothing of that is told.
  void submit(std::function<void()> work, std::function<void()> then) {
    const bool is_taken = hub_.submit(
        [this, self = self(), work = std::move(work)] {
          try {
            work();
          } catch (const std::exception& problem) {
            hub_.ground.log->warning("a request failed: {}", problem.what());
            admitted_.reset();
            answer_ = hub_.ground.gate->refuse(ErrorCode::kInternal, 500, "", "", kIsTls);
          }
        },
        [self = self(), then = std::move(then)] { then(); });
    if (is_taken) return;
    answer_ = hub_.ground.gate->refuse(ErrorCode::kResourceExhausted, 503, "", "", kIsTls);
    send(true);
  }

  /// `has_rest`: something of the request was not read, so that no other can follow.
  void send(bool has_rest) {
    has_rest_ = has_rest;
    keeps_alive_ = keeps_alive_ && !has_rest && !hub_.is_draining;
    const unsigned version = parser_->get().version() == 10 ? 10 : 11;
    if (answer_->stream && !is_head_) return send_stream(version);
    response_.emplace(header_of(*answer_, version));
    response_->keep_alive(keeps_alive_);
    if (answer_->status != 204) response_->content_length(answer_->body.size());
    if (!is_head_) response_->body() = std::move(answer_->body);
    answer_.reset();
    expire(hub_.options.write_timeout_ms);
    serializer_.emplace(*response_);
    const auto on_written = [this, self = self()](const beast::error_code& error, size_t) {
      if (error) return close();
      if (keeps_alive_) return read_head();
      finish();
    };
    if (is_head_)
      http::async_write_header(stream_, *serializer_, on_written);
    else
      http::async_write(stream_, *serializer_, on_written);
  }

  void send_stream(unsigned version) {
    if (!hub_.may_stream()) {
      answer_ = hub_.ground.gate->refuse(ErrorCode::kResourceExhausted, 503, "", "", kIsTls);
      return send(false);
    }
    is_streaming_ = true;
    hub_.count_streams(1);
    is_chunked_ = version == 11;
    piece_source_ = std::move(answer_->stream);
    response_.emplace(header_of(*answer_, version));
    response_->keep_alive(false);
    response_->chunked(is_chunked_);
    answer_.reset();
    expire(hub_.options.write_timeout_ms);
    serializer_.emplace(*response_);
    http::async_write_header(stream_, *serializer_,
                             [this, self = self()](const beast::error_code& error, size_t) {
                               if (error) return close();
                               next_piece();
                             });
  }

  void next_piece() {
    beast::get_lowest_layer(stream_).expires_never();
    const bool is_taken = hub_.submit(
        [this, self = self()] {
          try {
            piece_ = piece_source_->next();
          } catch (const std::exception& problem) {
            hub_.ground.log->warning("a stream failed: {}", problem.what());
            piece_ = {"", true};
          }
        },
        [this, self = self()] { write_piece(); });
    if (!is_taken) wait_for_piece();
  }

  void write_piece() {
    piece_.is_last = piece_.is_last || hub_.is_draining;
    if (piece_.text.empty()) return after_piece();
    expire(hub_.options.write_timeout_ms);
    const auto on_written = [this, self = self()](const beast::error_code& error, size_t) {
      if (error) return close();
      after_piece();
    };
    if (is_chunked_)
      net::async_write(stream_, http::make_chunk(net::buffer(piece_.text)), on_written);
    else
      net::async_write(stream_, net::buffer(piece_.text), on_written);
  }

  void after_piece() {
    if (!piece_.is_last) return wait_for_piece();
    if (!is_chunked_) return finish();
    net::async_write(stream_, http::make_chunk_last(),
                     [this, self = self()](const beast::error_code& error, size_t) {
                       if (error) return close();
                       finish();
                     });
  }

  void wait_for_piece() {
    timer_.expires_after(std::chrono::milliseconds(hub_.options.stream_interval_ms));
    timer_.async_wait([this, self = self()](const beast::error_code&) {
      if (!beast::get_lowest_layer(stream_).socket().is_open()) return;
      next_piece();
    });
  }

  /// Says that it is over, and reads on for a moment: who closes with bytes unread takes the answer
  /// away from the other end.
  void finish() {
    constexpr int64_t kLingerMs = 2000;
    expire(kLingerMs);
    if constexpr (kIsTls) {
      stream_.async_shutdown([this, self = self()](const beast::error_code&) { close(); });
    } else {
      beast::error_code ignored;
      stream_.socket().shutdown(net::ip::tcp::socket::shutdown_send, ignored);
      if (!has_rest_) return close();
      read_away(0);
    }
  }

  void read_away(size_t bytes) {
    if (bytes > kMaxLeftBytes) return close();
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(size_t{16} << 10),
                            [this, self = self(), bytes](const beast::error_code& error, size_t n) {
                              if (error) return close();
                              read_away(bytes + n);
                            });
  }

  Hub& hub_;
  const std::string remote_address_;
  Below stream_;
  net::steady_timer timer_;
  beast::flat_buffer buffer_{kMaxHeadBytes + (size_t{64} << 10)};
  std::optional<Parser> parser_;
  std::optional<Gate::Admitted> admitted_;
  std::optional<Answer> answer_;
  std::optional<http::response<http::string_body>> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  std::unique_ptr<Stream> piece_source_;
  Stream::Piece piece_;
  bool is_waiting_ = false;
  bool is_head_ = false;
  bool keeps_alive_ = false;
  bool has_rest_ = false;
  bool is_streaming_ = false;
  bool is_chunked_ = false;
};

}  // namespace weir::server
