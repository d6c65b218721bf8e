#include "server/listener/hub.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace weir::server {

void Hub::enter(Peer& peer) {
  peers_.insert(&peer);
  ground.metrics->set_connections(static_cast<int64_t>(peers_.size()));
  const std::lock_guard lock(mutex_);
  is_empty_ = false;
}

void Hub::leave(Peer& peer) {
  end_waiting(peer);
  peers_.erase(&peer);
  ground.metrics->set_connections(static_cast<int64_t>(peers_.size()));
  if (!peers_.empty()) return;
  const std::lock_guard lock(mutex_);
  is_empty_ = true;
  emptied_.notify_all();
}

void Hub::begin_waiting(Peer& peer) { waiting_.push_back(&peer); }

void Hub::end_waiting(Peer& peer) { std::erase(waiting_, &peer); }

bool Hub::make_room() {
  if (waiting_.empty()) return false;
  const auto longest = waiting_.front()->shared_from_this();
  longest->close();
  ground.metrics->note_turned_away();
  return true;
}

void Hub::drain_all() {
  is_draining = true;
  // One that closes leaves the set.
  const std::vector<Peer*> peers(peers_.begin(), peers_.end());
  for (Peer* peer : peers) peer->drain();
}

void Hub::close_all() {
  const std::vector<Peer*> peers(peers_.begin(), peers_.end());
  for (Peer* peer : peers) peer->close();
}

bool Hub::wait_until_empty(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return is_empty_; });
}

void Hub::count_streams(int64_t by) {
  streams_ += by;
  ground.metrics->set_streams(streams_);
}

bool Hub::submit(std::function<void()> work, std::function<void()> done) {
  if (pending_.fetch_add(1) >= kMostPending) {
    pending_.fetch_sub(1);
    return false;
  }
  boost::asio::post(workers_, [this, work = std::move(work), done = std::move(done)]() mutable {
    work();
    pending_.fetch_sub(1);
    // What it holds is let go on the thread of sockets, where connections end.
    work = nullptr;
    boost::asio::post(io, std::move(done));
  });
  return true;
}

}  // namespace weir::server
