#!/usr/bin/env python3
"""Runs the small examples: get, over streams, against the demo server; and those of the other language, with the library alone.

    examples/test_get.py [--build DIR] [--library FILE] [unittest's arguments]

DIR (default build) is CMake's build directory with ASYNCGUEST_BUILD_EXAMPLES=ON.
"""

import argparse
import hashlib
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import Server, environment

HERE = Path(__file__).resolve().parent
ARGUMENTS = None


class GetTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(0)
        cls.addClassCleanup(cls.server.close)

    def get(self, *urls, expect=0):
        """The lines that it prints, by the file's name; the files that there are."""
        command = [ARGUMENTS.build / "examples/c/get"]
        self.assertTrue(command[0].exists(), "get is not built: CMake's output says which package is missing")
        with tempfile.TemporaryDirectory() as folder:
            ended = subprocess.run(
                [*command, folder, *urls], capture_output=True, text=True, timeout=60, env=environment(None)
            )
            self.assertEqual(ended.returncode, expect, ended.stdout + ended.stderr)
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        lines = [line.split(maxsplit=2) for line in ended.stdout.splitlines()]
        return {name.rstrip(":"): (how, rest) for how, name, rest in lines}, files

    def test_all_files_complete(self):
        told, files = self.get(*self.server.files)
        self.assertEqual(len(files), 5)
        for url in self.server.files:
            name, digest = url.rsplit("/", 1)[1].split("#sha256=")
            self.assertEqual(told[name], ("ok", f"{len(files[name])} {digest}"))
            self.assertEqual(hashlib.sha256(files[name]).hexdigest(), digest)

    def test_empty_and_unsized(self):
        told, files = self.get(self.server.url("empty"), self.server.url("unsized.bin"))
        self.assertEqual([told["empty"][0], told["unsized.bin"][0]], ["ok", "ok"])
        self.assertEqual([len(files["empty"]), len(files["unsized.bin"])], [0, 65536])

    def test_bad_urls_fail_alone(self):
        closed = socket.socket()
        self.addCleanup(closed.close)
        closed.bind(("127.0.0.1", 0))
        good = self.server.file("1KiB.bin")
        told, files = self.get(
            "https://localhost/tls",
            "http://localhost/.hidden",
            "http://no.such.name.invalid/name",
            "http://127.0.0.1:%d/refused" % closed.getsockname()[1],
            self.server.url("missing"),
            self.server.url("truncated"),
            self.server.url("stall"),
            good,
            expect=1,
        )
        for name, problem in {
            "tls": "not of the form http://",
            ".hidden": "not of the form http://",
            "name": ".",  # getaddrinfo's words
            "refused": "Connection refused",
            "missing": "HTTP/1.[01] 404",
            "truncated": "the server ended early|Connection reset",
            "stall": "stalled: nothing has come for 5 s",
        }.items():
            self.assertEqual(told[name][0], "failed", told)
            self.assertRegex(told[name][1], problem)
        self.assertEqual((told["1KiB.bin"][0], list(files)), ("ok", ["1KiB.bin"]))

    def test_unwritable_directory(self):
        command = [ARGUMENTS.build / "examples/c/get", "/nowhere", self.server.file("1KiB.bin")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertIn("cannot write /nowhere/1KiB.bin.part", ended.stdout)
        self.assertEqual(ended.returncode, 1)
        self.assertEqual(subprocess.run(command[:1], capture_output=True, timeout=60).returncode, 2)


class OtherLanguageTest(unittest.TestCase):
    def check_other_language(self, program, *arguments):
        command = [sys.executable, HERE / "python" / program, ARGUMENTS.library, *arguments]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual(
            ended.stdout.splitlines(), ["timer: sending a byte", "socket: received b'!'", "done, status 0"]
        )
        self.assertEqual(ended.returncode, 0)

    def test_ctypes_min(self):
        self.check_other_language("ctypes_min.py")

    def test_cffi_min_in_abi_mode(self):
        self.check_other_language("cffi_min.py")

    def test_cffi_min_in_api_mode(self):
        self.check_other_language("cffi_min.py", HERE.parent / "include")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=Path, default=HERE.parent / "build")
    parser.add_argument("--library", type=Path, default=HERE.parent / "target/release/libasyncguest.so")
    ARGUMENTS, rest = parser.parse_known_args()
    ARGUMENTS.build = ARGUMENTS.build.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
