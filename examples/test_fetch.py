#!/usr/bin/env python3
"""Runs the examples against the demo server: every host, good and bad URLs, the dialog, the picture, the endings.

    examples/test_fetch.py [--build DIR] [unittest's arguments]

DIR (default build) is CMake's build directory with ASYNCGUEST_BUILD_EXAMPLES=ON.
"""

import argparse
import functools
import hashlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import Display, Server, environment

HERE = Path(__file__).resolve().parent
WINDOWED = ("fetch_gtk", "fetch_tk")
HOSTS = ("fetch_poll", *WINDOWED)
ARGUMENTS = None


class Run:
    """One run of a host that has ended: exit status, output, and the table by URL path."""

    def __init__(self, status, output):
        self.status, self.output = status, output
        self.rows = {}
        for line in output.splitlines():
            # URL, size with its unit, seconds, checksum, and the result, which may have spaces.
            if match := re.match(
                r"(\S+://\S+|\S+)\s+([\d.]+ [KMGT]?i?B)\s+([\d.]+)\s+(ok|-|[0-9a-f]{64})\s+(.*)", line
            ):
                self.rows[match[1]] = (match[2], match[4], match[5])


def with_each(hosts):
    """Runs a test once for each host, each in the empty directory and leaving no half file behind."""

    def decorate(test):
        @functools.wraps(test)
        def run_all(self):
            for host in hosts:
                with self.subTest(host=host):
                    test(self, host)
                    self.assert_tidy()

        return run_all

    return decorate


class FetchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(0)
        cls.addClassCleanup(cls.server.close)
        cls.display = Display()
        cls.addClassCleanup(cls.display.close)
        # A port where nobody listens: bound, so that nobody else gets it, but refused.
        cls.closed = socket.socket()
        cls.addClassCleanup(cls.closed.close)
        cls.closed.bind(("127.0.0.1", 0))
        cls.refused = "http://127.0.0.1:%d/" % cls.closed.getsockname()[1]

    def setUp(self):
        self.files = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.files)

    def command(self, host, *arguments):
        program = ARGUMENTS.build / "examples/c" / host
        self.assertTrue(program.exists(), f"{program} is not built: CMake's output says which package is missing")
        return [program, "-o", self.files, *arguments]

    def start(self, command, display=True, **more):
        environ = environment(self.display.name if display else None)
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, **more
        )

    def run_command(self, command, display=True, **more):
        with self.start(command, display, **more) as process:
            try:
                output, _ = process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(command, process.returncode, output)

    def fetch(self, host, *arguments, expect=0):
        ended = self.run_command(self.command(host, *arguments))
        self.assertEqual(ended.returncode, expect, ended.stdout)
        self.assertNotIn("CRITICAL", ended.stdout)
        self.assertNotIn("left over", ended.stdout)
        return Run(ended.returncode, ended.stdout)

    def assert_tidy(self):
        for left in self.files.iterdir():
            self.assertNotEqual(left.suffix, ".part", f"{left} is left over")
            left.unlink()

    # What a row of the table says.

    def assert_ok(self, run, url, size):
        self.assertEqual(run.rows[url.split("#")[0]], (size, "ok", "ok"), run.output)

    def assert_failed(self, run, url, pattern):
        self.assertRegex(run.rows[url.split("#")[0]][2], pattern, run.output)

    # Good input.

    @with_each(HOSTS)
    def test_all_files_complete_and_checked(self, host):
        run = self.fetch(host, *self.server.files)
        for url, size in zip(self.server.files, ("1.0 KiB", "64.0 KiB", "1.0 MiB", "16.0 MiB", "64.0 MiB")):
            self.assert_ok(run, url, size)
            body = (self.files / url.split("/")[-1].split("#")[0]).read_bytes()
            self.assertEqual(hashlib.sha256(body).hexdigest(), url.split("=")[1])
        self.assertIn("5 of 5 downloads complete, 0 failed, 0 cancelled", run.output)

    def test_without_checksum_prints_it(self):
        url, expected = self.server.file("64KiB.bin").split("#sha256=")
        self.assertEqual(self.fetch("fetch_poll", url).rows[url], ("64.0 KiB", expected, "ok"))

    def test_empty_unsized_and_redirected(self):
        urls = [self.server.url(path) for path in ("empty", "unsized.bin", "redirect")]
        run = self.fetch("fetch_poll", *urls)
        self.assertEqual([run.rows[url][0] for url in urls], ["0 B", "64.0 KiB", "1.0 KiB"])
        self.assertEqual(run.rows[urls[0]][1], hashlib.sha256(b"").hexdigest())

    def test_same_name_twice_is_kept_twice(self):
        url = self.server.file("1KiB.bin")
        self.fetch("fetch_poll", url, url, url)
        self.assertEqual(sorted(path.name for path in self.files.iterdir()), ["1KiB.bin", "1KiB.bin.2", "1KiB.bin.3"])

    def test_names_cannot_leave_the_directory_or_hide(self):
        paths = ("..%2f..%2fescaped", ".hidden", "", "%00", "with%20space", "%01%0a", "x" * 300)
        self.fetch("fetch_poll", *(self.server.url("named/" + path) for path in paths))
        names = {path.name for path in self.files.iterdir()}
        self.assertEqual(names, {"_._.._escaped", "_hidden", "index", "index.2", "with space", "__", "x" * 200})

    # Bad input: each URL is told its own reason, the others are finished, and the exit status says so.

    @with_each(HOSTS)
    def test_bad_urls_fail_alone(self, host):
        good = [self.server.file("1KiB.bin"), self.server.file("16MiB.bin")]
        bad = {
            "http://nohost.invalid/": "^unknown host: nohost.invalid$",
            self.refused: "^cannot connect: Connection refused$",
            self.server.url("stall"): "^stalled: nothing arrived for 1 s$",
            self.server.url("silent"): "^stalled: nothing arrived for 1 s$",
            self.server.url("truncated"): "^truncated: 32768 of 65536 bytes$",
            self.server.url("missing"): "^HTTP status 404$",
            self.server.url("empty") + "#sha256=" + "0" * 64: "^wrong checksum: expected 0{64}$",
            self.server.url("unsized.bin") + "#sha256=12": "^bad URL: after #sha256= stand 64 hexadecimal digits$",
            "gopher://127.0.0.1/": "^Protocol .gopher. .*",
            "http://[/": "^bad URL: ",
        }
        run = self.fetch(host, "--stall", "1", *good, *bad, expect=1)
        self.assert_ok(run, good[0], "1.0 KiB")
        self.assert_ok(run, good[1], "16.0 MiB")
        for url, pattern in bad.items():
            self.assert_failed(run, url, pattern)
        self.assertIn("2 of 12 downloads complete, 10 failed, 0 cancelled", run.output)

    @with_each(HOSTS)
    def test_unwritable_directory(self, host):
        run = self.fetch(host, "-o", "/proc/nowhere", self.server.url("empty"), expect=1)
        self.assert_failed(run, self.server.url("empty"), "^cannot write /proc/nowhere/empty.part: No such file")

    @with_each(HOSTS)
    def test_disk_full(self, host):
        (self.files / "1MiB.bin.part").symlink_to("/dev/full")
        run = self.fetch(host, self.server.file("1MiB.bin"), self.server.file("64KiB.bin"), expect=1)
        self.assert_failed(
            run, self.server.file("1MiB.bin"), "^cannot write .*/1MiB.bin.part: No space left on device$"
        )
        self.assert_ok(run, self.server.file("64KiB.bin"), "64.0 KiB")

    def test_file_grows_too_large_on_the_way(self):
        # Unpaced, so that the transfers are paused and resumed and the failing write may come from either.
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20))

        urls = [self.server.file("16MiB.bin")] * 4 + [self.server.file("1MiB.bin")]
        # restore_signals: with SIGXFSZ ignored, as Python has it, the write fails instead of killing the process.
        ended = self.run_command(self.command("fetch_poll", *urls), preexec_fn=limit, restore_signals=False)
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertEqual(ended.stdout.count("16MiB.bin.part: File too large"), 1, ended.stdout)
        self.assertEqual(ended.stdout.count(".part: File too large"), 4, ended.stdout)
        self.assertIn("1 of 5 downloads complete, 4 failed", ended.stdout)
        self.assertEqual([path.name for path in self.files.iterdir()], ["1MiB.bin"])

    def test_final_name_taken_by_a_directory(self):
        (self.files / "1KiB.bin").mkdir()
        run = self.fetch("fetch_poll", self.server.file("1KiB.bin"), expect=1)
        self.assert_failed(run, self.server.file("1KiB.bin"), "^cannot create .*/1KiB.bin: Is a directory$")

    def test_usage(self):
        for arguments, words in (
            ([], "no URL given"),
            (["--stall", "x", "u"], "wants a number"),
            (["--no"], "unrecognized"),
            (["--linger", "1", "u"], "there is no window here"),
        ):
            self.assertIn(words, self.fetch("fetch_poll", *arguments, expect=2).output)
        self.assertIn("usage:", self.fetch("fetch_poll", "--help").output)

    def test_no_display(self):
        for host in WINDOWED:
            ended = self.run_command(self.command(host, "u"), display=False)
            self.assertEqual((ended.returncode, "display" in ended.stdout), (2, True), ended.stdout)

    # The window: dialog, picture, cancelling, leaving.

    @with_each(WINDOWED)
    def test_downloads_go_on_during_the_dialog(self, host):
        url = self.server.file("16MiB.bin", seconds=4)
        run = self.fetch(host, "--auto-dialog", "1.5", url)
        seconds, received = re.search(
            r"dialog: open for ([\d.]+) s inside a callback; (\d+) bytes .*; answer: no", run.output
        ).groups()
        # 16 MiB in 3.2 s make 7.5 MiB in 1.5 s: at least half of that, on a busy machine.
        self.assertGreater(int(received), 15 * 2**18, run.output)
        self.assertAlmostEqual(float(seconds), 1.5, delta=0.5)
        self.assert_ok(run, url, "16.0 MiB")

    @with_each(WINDOWED)
    def test_dialog_cancels(self, host):
        urls = [self.server.file("64MiB.bin", seconds=30), self.server.url("silent")]
        run = self.fetch(host, "--auto-dialog", "0.3", "--auto-cancel", *urls, expect=1)
        self.assertIn("answer: yes", run.output)
        for url in urls:
            self.assert_failed(run, url, "^cancelled$")
        self.assertEqual(list(self.files.iterdir()), [])

    @with_each(WINDOWED)
    def test_dialog_closes_when_nothing_is_left(self, host):
        run = self.fetch(host, "--auto-dialog", "30", self.server.file("16MiB.bin", seconds=2.5))
        self.assertIn("answer: no", run.output)

    @with_each(WINDOWED)
    def test_picture_of_the_window(self, host):
        picture = self.files / "window.png"
        run = self.fetch(
            host, "--screenshot", picture, self.server.file("16MiB.bin", seconds=1), self.server.file("1KiB.bin")
        )
        self.assertIn(f"screenshot: {picture}", run.output)
        head = picture.read_bytes()[:24]
        width, height = struct.unpack(">II", head[16:])
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertTrue(400 < width < 1024 and 100 < height < 768, (width, height))

    @with_each(WINDOWED)
    def test_picture_that_cannot_be_written(self, host):
        run = self.fetch(host, "--screenshot", "/proc/nowhere/x.png", self.server.file("1KiB.bin"))
        self.assertIn("no screenshot: ", run.output)

    @with_each(WINDOWED)
    def test_animation_is_measured(self, host):
        run = self.fetch(host, self.server.file("16MiB.bin", seconds=2))
        gap, frames = re.search(
            r"longest gap between two animation frames: ([\d.]+) ms \((\d+) frames\)", run.output
        ).groups()
        # 60 frames a second for 1.6 s. Usually below 40 ms; only a loop that stands still fails, not a busy machine.
        self.assertGreater(int(frames), 30)
        self.assertLess(float(gap), 500)

    @with_each(WINDOWED)
    def test_window_lives_while_data_never_ends(self, host):
        # Unpaced, every socket is readable all the time, so that the guest always has more to do than its budget allows.
        run = self.fetch(host, *[self.server.file("64MiB.bin")] * 4)
        gap, frames = re.search(r"animation frames: ([\d.]+) ms \((\d+) frames\)", run.output).groups()
        seconds = float(re.search(r"in ([\d.]+) s$", run.output, re.MULTILINE)[1])
        self.assertLess(float(gap), 500, run.output)
        self.assertGreater(int(frames) / seconds, 8, run.output)

    @with_each(HOSTS)
    def test_signals_end_it_cleanly(self, host):
        for signum in (signal.SIGINT, signal.SIGTERM):
            slow = Server(60, "--log")
            with self.start(self.command(host, slow.file("64MiB.bin"))) as process:
                slow.wait_for_request()
                process.send_signal(signum)
                output, _ = process.communicate(timeout=60)
            slow.close()
            self.assertEqual(process.returncode, 1, output)
            self.assertIn("0 of 1 downloads complete, 0 failed, 1 cancelled", output)
            self.assertNotIn("left over", output)
            self.assertEqual(list(self.files.iterdir()), [])

    # Memory.

    def test_valgrind_finds_nothing(self):
        # "Possible" leaks are not counted: Rust's standard library keeps the main thread's name card by an inner pointer.
        valgrind = (
            "valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite,indirect --error-exitcode=99".split()
        )
        command = self.command(
            "fetch_poll",
            "--stall",
            "2",
            self.server.file("1MiB.bin"),
            self.server.url("stall"),
            self.server.url("truncated"),
            self.server.url("missing"),
            self.refused,
        )
        ended = self.run_command([*valgrind, *command])
        self.assertEqual(ended.returncode, 1, ended.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=HERE.parent / "build")
    ARGUMENTS, rest = parser.parse_known_args()
    ARGUMENTS.build = ARGUMENTS.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
