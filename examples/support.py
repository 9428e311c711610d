"""What the examples' tests have in common: the demo server, a display, an environment."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def environment(display):
    """The caller's, with the tests' own display or none, and without proxies for this machine."""
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"}
    shown = {name: value for name, value in os.environ.items() if name not in hidden}
    if display is not None:
        # GTK: there is no graphics card and no accessibility bus, so do not look for them.
        shown.update(DISPLAY=display, GDK_BACKEND="x11", GSK_RENDERER="cairo", GTK_A11Y="none")
    return shown


class Display:
    """An X server in memory; it picks a free number by itself."""

    def __init__(self):
        command = "Xvfb -displayfd 1 -noreset -nolisten tcp -screen 0 1024x768x24"
        self.process = subprocess.Popen(command.split(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.name = ":" + self.process.stdout.readline().strip()

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Server:
    """examples/demo/server.py in a process of its own, which ends with us."""

    def __init__(self, seconds, *options):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "demo/server.py", "--seconds", str(seconds), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.files = []
        for line in self.process.stdout:
            what, value = line.split()
            if what == "url":
                self.files.append(value)
            elif what == "ready":
                self.base = value
                return
        raise RuntimeError("the demo server does not start")

    def url(self, path):
        return f"{self.base}/{path}"

    def file(self, name, seconds=None):
        """The URL of a file with its checksum."""
        url = next(url for url in self.files if f"/{name}#" in url)
        return url if seconds is None else url.replace("#", f"?seconds={seconds}#")

    def wait_for_request(self):
        self.process.stdout.readline()

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
