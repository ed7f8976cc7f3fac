// The C++ half of `make demo-resilience`: job PORT CLIENT ITEMS FORM RATE CHECKPOINT. Ends with 0 if every value is
// right.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <centimane/centimane.hpp>
#include <centimane/http.hpp>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cm = centimane;

namespace {

/// An answer other than 200.
class http_error : public std::runtime_error {
 public:
  explicit http_error(cm::http_reply reply)
      : std::runtime_error("the service answered " + std::to_string(reply.status)), reply_(std::move(reply)) {}
  [[nodiscard]] const cm::http_reply& reply() const noexcept { return reply_; }

 private:
  cm::http_reply reply_;
};

/// A header's value; empty if the answer has none.
std::string header(const std::string& answer, const std::string& name) {
  const auto line = answer.find("\r\n" + name + ": ");
  if (line == std::string::npos) return {};
  const auto value = line + name.size() + 4;
  return answer.substr(value, answer.find("\r\n", value) - value);
}

struct socket_closer {
  int number;
  ~socket_closer() { ::close(number); }
};

/// One call of the service.
long fetch(int port, const std::string& path) {
  const socket_closer to{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(to.number, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("no connection");
  }
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  if (::send(to.number, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    throw std::runtime_error("the connection was lost");
  }
  std::string answer;
  char part[512];
  for (ssize_t n = 0; (n = ::recv(to.number, part, sizeof part, 0)) > 0;)
    answer.append(part, static_cast<std::size_t>(n));
  const auto body = answer.find("\r\n\r\n");
  if (answer.rfind("HTTP/1.1 ", 0) != 0 || body == std::string::npos)
    throw std::runtime_error("the answer was cut off");
  const int status = std::stoi(answer.substr(9, 3));
  if (status == 200) return std::stol(answer.substr(body + 4));
  throw http_error({status, header(answer, "Retry-After"), header(answer, "Date")});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  const int port = std::stoi(argv[1]), items = std::stoi(argv[3]);
  const std::string client = argv[2], form = argv[4], checkpoint = argv[6];
  cm::options how{.workers = 8};
  if (form == "limited") {
    how.rate_limit = cm::rate_limit(std::stod(argv[5]));
  } else {
    how.retry = cm::retry_for_http<http_error>(
        [](const http_error& e) { return e.reply(); },
        {.attempts = 100, .backoff = std::chrono::milliseconds(50), .on = cm::errors<std::runtime_error>});
  }
  if (!checkpoint.empty()) how.checkpoint = cm::checkpoint{checkpoint};
  std::vector<int> numbers(static_cast<std::size_t>(items));
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto result = cm::parallel_map(
      [port, client](int n) { return fetch(port, "/" + client + "/" + std::to_string(n)); }, numbers, how);
  if (!result.ok()) return 1;
  for (auto& [index, value] : result.successes()) {
    if (value != static_cast<long>(index * index)) return 1;
  }
  return 0;
}
