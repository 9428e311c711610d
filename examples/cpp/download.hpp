// One download over HTTP, as a coroutine that lives on a guest. It knows no toolkit. Host thread only.
#ifndef DOWNLOAD_HPP
#define DOWNLOAD_HPP

#include <asyncguest.hpp>

#include <functional>
#include <string>
#include <string_view>

/// "http://host:port/path#sha256=HEX", taken apart.
struct location {
    std::string host, port, path;
    std::string name;   ///< the last part of the path
    std::string sha256; ///< what the URL promises of the file, or empty

    /// Throws std::invalid_argument if `url` is not of that form.
    explicit location(const std::string &url);
};

/// Gets what is at `from` and calls `piece(bytes, total)` for each part as it arrives; `total` is what the server promises
/// in all, 0 if it does not. Throws std::runtime_error (in words for the user) when the name or the server is not
/// found, when it answers with anything but 200, when it ends early, and when nothing has come for `patience`.
asyncguest::task<> download(asyncguest::guest &g, location from, std::chrono::seconds patience,
                            std::function<void(std::string_view, uint64_t)> piece);

/// "16.0 MiB".
std::string size_text(uint64_t bytes);

#endif
