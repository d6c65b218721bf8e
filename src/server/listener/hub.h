#pragma once

/// What all connections share. Used by the thread that moves bytes alone, but for submit().

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/check.h"
#include "server/listener.h"

namespace weir::server {

/// One connection, whatever is below it.
class Peer : public std::enable_shared_from_this<Peer> {
 public:
  virtual ~Peer() = default;
  virtual void start() = 0;
  virtual void close() = 0;  ///< At once.
  virtual void drain() = 0;  ///< After what it is answering.
};

class Hub {
 public:
  Hub(const ServerOptions& chosen, const ListenerGround& below)
      : options(chosen), ground(below), workers_(static_cast<size_t>(chosen.worker_count)) {}

  const ServerOptions options;
  const ListenerGround ground;
  bool is_draining = false;

  void enter(Peer& peer);
  void leave(Peer& peer);
  /// It waits for the head of a request: whoever does so longest goes first where there are too
  /// many.
  void begin_waiting(Peer& peer);
  void end_waiting(Peer& peer);
  bool is_full() const { return static_cast<int64_t>(peers_.size()) >= options.max_connections; }
  /// Closes the one that has waited longest. False where none waits.
  bool make_room();
  void drain_all();
  void close_all();
  /// Until all connections are gone. From another thread.
  bool wait_until_empty(int64_t timeout_ms);

  bool may_stream() const { return streams_ < options.max_streams; }
  void count_streams(int64_t by);

  /// Runs `work` on a worker, then `done` on the thread of sockets. False where too much waits.
  bool submit(std::function<void()> work, std::function<void()> done);
  void join_workers() { workers_.join(); }
  boost::asio::thread_pool& workers() { return workers_; }

 private:
  static constexpr int64_t kMostPending = 256;

  std::set<Peer*> peers_;
  std::list<Peer*> waiting_;
  int64_t streams_ = 0;
  std::atomic<int64_t> pending_ = 0;
  std::mutex mutex_;
  std::condition_variable emptied_;
  bool is_empty_ WEIR_GUARDED_BY(mutex_) = true;
  boost::asio::thread_pool workers_;

 public:
  boost::asio::io_context io{1};  ///< Last: what is left in it ends first, and leaves the rest.

 private:
  /// There is work also while all of it is on the workers.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io.get_executor()};
};

}  // namespace weir::server
