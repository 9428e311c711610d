// What a scenario stands on: a host with a guest, expectations, and the report of a whole run. Main thread.
//
//     PROGRAM fd|thread [SCENARIO]
//
// prints a line for each scenario and, last, HOST|VERSION|DRIVE|passed|failed|skipped|reasons, which is also appended to
// the file that ASYNCGUEST_HOSTS_TABLE names. A scenario that crashes, or hangs for 20 s, ends the process, as failed.
#ifndef STAGE_HPP
#define STAGE_HPP

#include <asyncguest.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

struct skipped {
    std::string why;
};

template <class Fixture> struct scenario {
    const char *name;
    void (*run)(Fixture &);
};

#define expect(condition) \
    ((condition) ? void(0) : throw std::logic_error(std::string(#condition " in line ") + std::to_string(__LINE__)))

inline std::string &noted() {
    static std::string text;
    return text;
}

/// A figure for the scenario's line.
inline void note(const char *format, ...) {
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    noted() = text;
}

template <class Fixture> struct stage {
    Fixture &f;
    std::unique_ptr<typename Fixture::host_type> host;
    int dones = 0;
    bool quits = true; // the guest's end ends the loop
    std::mutex mutex;
    std::condition_variable changed;
    std::unique_ptr<asyncguest::guest> g;

    explicit stage(Fixture &f) : stage(f, f.make()) {}

    stage(Fixture &f, std::unique_ptr<typename Fixture::host_type> h, asyncguest::options o = {}) : f(f), host(std::move(h)) {
        o.on_done = [this](asyncguest::status) {
            ++dones;
            if (quits)
                this->f.quit();
        };
        g = std::make_unique<asyncguest::guest>(*host, std::move(o));
    }
};

struct report {
    std::string host, version, drive, reasons;
    int passed = 0, failed = 0, skips = 0;
    const char *running = nullptr;

    static report &now() {
        static report instance;
        return instance;
    }

    void reason(const std::string &text) {
        if (reasons.find(text) == std::string::npos)
            reasons += (reasons.empty() ? "" : "; ") + text;
    }

    void print() const {
        const std::string row = host + "|" + version + "|" + drive + "|" + std::to_string(passed) + "|" +
                                std::to_string(failed) + "|" + std::to_string(skips) + "|" + reasons + "\n";
        std::fputs(row.c_str(), stdout);
        std::fflush(stdout);
        if (const char *path = std::getenv("ASYNCGUEST_HOSTS_TABLE"))
            if (FILE *table = std::fopen(path, "a")) { // one write of one line: programs may run at once
                std::fputs(row.c_str(), table);
                std::fclose(table);
            }
    }
};

/// The process is lost: no need to be safe in a signal handler.
[[noreturn]] inline void lost(const char *how) {
    report &r = report::now();
    const std::string what = std::string(r.running) + how;
    std::printf("FAILED  %s\n", what.c_str());
    r.failed++;
    r.reason(what);
    r.print();
    _exit(1);
}

/// Ends the process when so many seconds have passed; 0: no longer. Replaces an earlier one.
inline void time_limit(unsigned seconds) {
#ifdef _WIN32
    static HANDLE timer;
    if (HANDLE earlier = std::exchange(timer, nullptr))
        DeleteTimerQueueTimer(nullptr, earlier, nullptr);
    if (seconds)
        CreateTimerQueueTimer(&timer, nullptr, [](void *, BOOLEAN) { lost(" hangs"); }, nullptr, seconds * 1000, 0, WT_EXECUTEONLYONCE);
#else
    std::signal(SIGALRM, [](int) { lost(" hangs"); });
    alarm(seconds);
#endif
}

template <class Fixture>
int run_scenarios(const std::vector<scenario<Fixture>> &list, int argc, char **argv) {
    const std::string drive = argc > 1 ? argv[1] : "";
    if (drive != "fd" && drive != "thread") {
        std::fprintf(stderr, "usage: %s fd|thread [SCENARIO]\n", argv[0]);
        return 2;
    }
    const std::string only = argc > 2 ? argv[2] : "";
    report &r = report::now();
    r.host = Fixture::name;
    r.drive = drive;
    for (int signal : {SIGSEGV, SIGABRT})
        std::signal(signal, [](int) { lost(" crashes"); });
    r.running = "making the toolkit";
    time_limit(20);
    argc = 1; // toolkits need not see our arguments
    Fixture f(argc, argv, drive == "fd" ? asyncguest::drive::fd : asyncguest::drive::thread);
    r.version = f.version();
    for (const scenario<Fixture> &s : list) {
        if (!only.empty() && only != s.name)
            continue;
        r.running = s.name;
        noted().clear();
        time_limit(20);
        try {
            s.run(f);
            r.passed++;
            std::printf("ok      %s%s%s%s\n", s.name, noted().empty() ? "" : " (", noted().c_str(), noted().empty() ? "" : ")");
        } catch (const skipped &e) {
            r.skips++;
            r.reason(e.why);
            std::printf("skipped %s: %s\n", s.name, e.why.c_str());
        } catch (const std::exception &e) {
            r.failed++;
            r.reason(std::string(s.name) + " failed: " + e.what());
            std::printf("FAILED  %s: %s %s\n", s.name, e.what(), noted().c_str());
        }
        std::fflush(stdout);
    }
    time_limit(0);
    r.print();
    return r.failed ? 1 : 0;
}

#endif
