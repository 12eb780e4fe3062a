/*
 * A service of std::jthreads, with C++20: SIGTERM interrupts main's accept; to stop a thread is to interrupt it, wherever it is stuck; and
 * every destructor on the way runs.
 *
 *     ./service &
 *     kill %1
 *
 * It echoes what it is sent, on the port that it prints.
 */
#include <arpa/inet.h>
#include <chrono>
#include <csignal>
#include <eintr.hpp>
#include <iostream>
#include <list>
#include <netinet/in.h>
#include <stop_token>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;

class descriptor {
  public:
    explicit descriptor(int fd) : fd_(eintr::check(fd)) {}
    descriptor(descriptor &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~descriptor()
    {
        if (fd_ >= 0)
            close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

/* Says goodbye wherever its peer is left, and takes a second for it at most. */
class connection {
  public:
    explicit connection(descriptor fd) : fd_(std::move(fd)) {}
    ~connection()
    {
        eintr::mask mask;
        eintr::timeout limit(1s);
        eintr_send(fd_.get(), "shutting down\n", 14, MSG_NOSIGNAL);
    }
    void echo()
    {
        char buffer[512];
        while (auto length = eintr::check(eintr_recv(fd_.get(), buffer, sizeof buffer, 0)))
            eintr::check(eintr_send(fd_.get(), buffer, static_cast<size_t>(length), MSG_NOSIGNAL));
    }

  private:
    descriptor fd_;
};

static void serve(const std::stop_token &stop, descriptor fd)
{
    eintr::running running("connection", EINTR_ROOT);
    eintr::interrupt_on_stop linked(stop);
    try {
        connection(std::move(fd)).echo();
    } catch (const std::system_error &error) {
        if (error.code() != eintr::errc::interrupted)
            std::cerr << error.what() << '\n';
    }
}

int main()
{
    descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    socklen_t length = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto *name = reinterpret_cast<sockaddr *>(&address);
    eintr::check(bind(listener.get(), name, length));
    eintr::check(listen(listener.get(), 16));
    eintr::check(getsockname(listener.get(), name, &length));

    std::list<std::jthread> connections; /* each is stopped and joined where the list goes */
    eintr::running running("service");
    eintr::interrupt_on signals(eintr::interrupter::current(), {SIGTERM, SIGINT});
    std::cout << "port " << ntohs(address.sin_port) << std::endl;
    try {
        for (;;) {
            descriptor fd(eintr_accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            connections.emplace_back(serve, std::move(fd));
        }
    } catch (const eintr::interrupted &why) {
        std::cout << why.reason().text << std::endl;
    }
    for (auto &thread : connections)
        thread.request_stop(); /* all at once, before the first is waited for */
    connections.clear();
    std::cout << "bye" << std::endl;
}
