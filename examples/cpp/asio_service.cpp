// A service on Asio whose requests compute in worker processes: one thread carries all connections, and answers at once
// whatever the workers are busy with. A crash costs the request that caused it; who hangs up stops the wait for his
// task.
//
// One request a line: `ping`, `count N` (primes below N), `crash`, `hang`. The program is its own visitor: it calls on
// the loopback interface, checks what it is told, and ends the service. Standalone Asio (Debian: libasio-dev).
#include <unistd.h>

#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <csignal>
#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "centimane/asio.hpp"
#include "centimane/centimane.hpp"

namespace cm = centimane;
using asio::use_awaitable;
using asio::ip::tcp;
using namespace asio::experimental::awaitable_operators;

// ---- what workers do

int count_primes(int below) {
  int found = 0;
  for (int n = 2; n < below; ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    found += prime ? 1 : 0;
  }
  return found;
}
int crash() { return std::raise(SIGKILL); }
int hang() { return ::pause(); }

// ---- the service

cm::future<int> begin(cm::process_pool& cpu, const std::string& request) {
  if (request == "crash") return cpu.submit(crash);
  if (request == "hang") return cpu.submit(hang);
  if (request.starts_with("count ")) return cpu.submit(count_primes, std::stoi(request.substr(6)));
  throw std::invalid_argument("unknown request");
}

asio::awaitable<std::string> answer(cm::process_pool& cpu, std::string request) {
  if (request == "ping") co_return "pong";
  try {
    co_return std::to_string(co_await cm::async_get(begin(cpu, request), use_awaitable));
  } catch (const std::exception& e) {  // of the request, of the task, or the death of its worker
    co_return std::string("error: ") + e.what();
  }
}

asio::awaitable<void> session(tcp::socket peer, cm::process_pool& cpu) {
  std::string text;
  try {
    for (;;) {
      const std::size_t n = co_await asio::async_read_until(peer, asio::dynamic_buffer(text), '\n', use_awaitable);
      const std::string request = text.substr(0, n - 1);
      text.erase(0, n);
      // Whoever is first: the answer, or the peer, who hangs up. The other is cancelled.
      auto first = co_await (answer(cpu, request) || peer.async_wait(tcp::socket::wait_read, use_awaitable));
      if (first.index() != 0) co_return;
      const std::string line = std::get<0>(first) + '\n';
      co_await asio::async_write(peer, asio::buffer(line), use_awaitable);
    }
  } catch (const std::system_error&) {  // the peer has gone
  }
}

asio::awaitable<void> serve(tcp::acceptor& door, cm::process_pool& cpu) {
  try {
    for (;;) {
      tcp::socket peer = co_await door.async_accept(use_awaitable);
      asio::co_spawn(co_await asio::this_coro::executor, session(std::move(peer), cpu), asio::detached);
    }
  } catch (const std::system_error&) {  // the door is closed
  }
}

// ---- its visitors

class line {
 public:
  explicit line(const asio::any_io_executor& on) : socket(on) {}
  tcp::socket socket;
  std::string text;

  asio::awaitable<void> say(std::string request) {
    request += '\n';
    co_await asio::async_write(socket, asio::buffer(request), use_awaitable);
  }
  asio::awaitable<std::string> hear() {
    const std::size_t n = co_await asio::async_read_until(socket, asio::dynamic_buffer(text), '\n', use_awaitable);
    std::string told = text.substr(0, n - 1);
    text.erase(0, n);
    co_return told;
  }
};

asio::awaitable<line> call(tcp::endpoint where) {
  line made(co_await asio::this_coro::executor);
  co_await made.socket.async_connect(where, use_awaitable);
  co_return made;
}

asio::awaitable<void> visit(tcp::acceptor& door) {
  const tcp::endpoint where = door.local_endpoint();
  int counts = 0, pongs = 0;
  std::vector<line> lines;
  for (int i = 0; i < 4; ++i) lines.push_back(co_await call(where));
  for (auto& l : lines) co_await l.say("count 20000");
  for (auto& l : lines) counts += co_await l.hear() == "2262" ? 1 : 0;

  co_await lines[0].say("crash");
  const std::string death = co_await lines[0].hear();
  co_await lines[0].say("count 100");
  counts += co_await lines[0].hear() == "25" ? 1 : 0;

  // Both workers are busy for ever, and the service answers.
  for (int i : {0, 1}) co_await lines[i].say("hang");
  for (int i = 0; i < 100; ++i) {
    co_await lines[2].say("ping");
    pongs += co_await lines[2].hear() == "pong" ? 1 : 0;
  }
  std::printf("%d counts, %d pongs, and %s\n", counts, pongs,
              death.find("signal 9") != std::string::npos ? "one worker died of signal 9" : death.c_str());
  lines.clear();  // hangs up: the waits for both tasks are given up
  door.close();
}

int main(int argc, char** argv) {
  cm::init(argc, argv);
  asio::io_context loop;
  cm::process_pool cpu(2);  // ends before the loop does: what its tasks still have to say finds it there
  tcp::acceptor door(loop, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  asio::co_spawn(loop, serve(door, cpu), asio::detached);
  asio::co_spawn(loop, visit(door), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  loop.run();       // until nobody waits for anything any more
  cpu.terminate();  // the two that hang
  std::puts("ended");
}
