// See download.hpp. What waits here is a co_await; everything between two of them runs on the host's thread at once.
#include "download.hpp"

#include "sockets.hpp"

#include <cstdio>
#include <cstdlib>

using asyncguest::guest;
using asyncguest::task;

namespace {

/// Tries one address after the other.
task<socket_handle> connect_to(guest &g, const location &to) {
    int trouble = 0;
    for (const asyncguest::address &address : co_await g.resolve(to.host, to.port)) {
        socket_handle s(address);
        if (connect(s.fd(), address.data(), address.size()) == 0)
            co_return s;
        trouble = socket_error();
        if (trouble == connecting) {
            co_await g.writable(s.fd());
            socklen_t size = sizeof trouble;
            getsockopt(s.fd(), SOL_SOCKET, SO_ERROR, reinterpret_cast<char *>(&trouble), &size);
            if (trouble == 0)
                co_return s;
        }
    }
    fail(to.host, trouble);
}

task<> send_all(guest &g, guest_os_fd_t fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto sent = send(fd, bytes.data(), static_cast<int>(bytes.size()), no_sigpipe);
        const int error = sent < 0 ? socket_error() : 0;
        if (sent >= 0)
            bytes.remove_prefix(size_t(sent));
        else if (error == would_block)
            co_await g.writable(fd);
        else if (error != interrupted)
            fail("send", error);
    }
}

/// The bytes that a server sends, until it closes. Each sign of life postpones the end of our patience.
class stream {
public:
    stream(guest &g, guest_os_fd_t fd, std::chrono::seconds patience) : g_(g), fd_(fd), patience_(patience), buffer_(1 << 16, '\0') {
        alarm_ = g.after(patience, [this] {
            impatient_ = true;
            shutdown(fd_, both_ways); // which makes it readable
        });
    }

    /// The next bytes, valid until the next call; none at the end.
    task<std::string_view> read() {
        for (;;) {
            co_await g_.readable(fd_); // also when there is more already: the guest's other tasks have their turn
            const auto got = recv(fd_, buffer_.data(), static_cast<int>(buffer_.size()), 0);
            const int error = got < 0 ? socket_error() : 0;
            if (impatient_)
                throw std::runtime_error("stalled: nothing arrived for " + std::to_string(patience_.count()) + " s");
            if (got >= 0) {
                alarm_.arm(patience_);
                co_return std::string_view(buffer_.data(), size_t(got));
            }
            if (error != would_block && error != interrupted)
                fail("receive", error);
        }
    }

private:
    guest &g_;
    guest_os_fd_t fd_;
    std::chrono::seconds patience_;
    std::string buffer_;
    asyncguest::timer alarm_;
    bool impatient_ = false;
};

/// The body's length that a response's head promises; 0 if it does not. Throws unless the status is 200.
uint64_t length_in(std::string head) {
    const std::string status = head.substr(0, head.find('\r'));
    if (status.compare(0, 5, "HTTP/") != 0 || status.find(" 200") == std::string::npos)
        throw std::runtime_error("the server says: " + status.substr(0, 80));
    for (char &c : head)
        c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
    const size_t at = head.find("\r\ncontent-length:");
    return at == std::string::npos ? 0 : std::strtoull(head.c_str() + at + 17, nullptr, 10);
}

} // namespace

location::location(const std::string &url) {
    const std::string scheme = "http://", checksum = "#sha256=";
    if (url.compare(0, scheme.size(), scheme) != 0)
        throw std::invalid_argument("not an http:// URL: " + url);
    const size_t hash = url.find('#'), begin = scheme.size(), slash = url.find('/', begin);
    if (hash != std::string::npos && url.compare(hash, checksum.size(), checksum) == 0)
        sha256 = url.substr(hash + checksum.size());
    const size_t end = std::min(hash, url.size());
    const std::string authority = url.substr(begin, std::min(slash, end) - begin);
    const size_t colon = authority.rfind(':');
    host = authority.substr(0, colon);
    port = colon == std::string::npos ? "80" : authority.substr(colon + 1);
    path = slash < end ? url.substr(slash, end - slash) : "/";
    name = path.substr(path.rfind('/', path.find('?')) + 1);
    name = name.substr(0, name.find('?'));
    if (host.empty())
        throw std::invalid_argument("a URL without a host: " + url);
}

task<> download(guest &g, location from, std::chrono::seconds patience,
                std::function<void(std::string_view, uint64_t)> piece) {
    socket_handle s = co_await connect_to(g, from);
    // HTTP/1.0: the server closes at the end, and sends no chunks.
    co_await send_all(g, s.fd(), "GET " + from.path + " HTTP/1.0\r\nHost: " + from.host + "\r\n\r\n");
    stream in(g, s.fd(), patience);
    std::string head;
    size_t end;
    while ((end = head.find("\r\n\r\n")) == std::string::npos) {
        const std::string_view bytes = co_await in.read();
        if (bytes.empty() || head.size() > 65536)
            throw std::runtime_error("the server's answer has no end to its head");
        head += bytes;
    }
    uint64_t received = head.size() - end - 4;
    const uint64_t total = length_in(head.substr(0, end + 2));
    piece(std::string_view(head).substr(end + 4), total);
    while (total == 0 || received < total) {
        const std::string_view bytes = co_await in.read();
        if (bytes.empty())
            break;
        received += bytes.size();
        piece(bytes, total);
    }
    if (received < total)
        throw std::runtime_error("the server ended early: " + size_text(received) + " of " + size_text(total));
}

std::string size_text(uint64_t bytes) {
    const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    int unit = 0;
    double size = double(bytes);
    for (; size >= 1024 && unit < 3; unit++)
        size /= 1024;
    char text[32];
    std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
    return text;
}
