"""Films window.py: the one that blocks and the one that is a guest, side by side, with the same user before each.

    python record.py FILE.png    or FILE.gif; `scripts/python.sh film FILE` does it with all that is needed

Each window has a screen of its own (an Xvfb with openbox), a process of its own that moves its pointer and takes its
pictures, and the same local server. Nothing is staged: what a window shows is what it had painted by then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from PIL import Image, ImageDraw, ImageGrab
from Xlib import X, display
from Xlib.ext import xtest

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "demo"

FRAMES_PER_SECOND = 20
SECONDS = 9.6
PATIENCE = 30.0
#: Of the screen that is filmed, and where the window's contents begin in it.
SIZE, PLACE = (448, 296), (24, 42)
BACKGROUND = (0xDD, 0xE3, 0xEA)
POINTER = [(0, 0), (0, 16), (4, 12), (7, 18), (9, 17), (7, 11), (12, 11)]


def until(true: Callable[[], bool], what: str) -> None:
    """Waits for something that other processes do."""
    end = monotonic() + PATIENCE
    while not true():
        if monotonic() > end:
            raise SystemExit(f"record.py: no {what} after {PATIENCE:.0f} s")
        sleep(0.02)


class Screen:
    """The X server of one window: its windows, its pointer and pictures of it. Owns a connection."""

    def __init__(self) -> None:
        self.display = display.Display()
        self.root = self.display.screen().root
        self.root.change_attributes(background_pixel=BACKGROUND[0] << 16 | BACKGROUND[1] << 8 | BACKGROUND[2])
        self.root.clear_area()
        self.display.sync()

    def windows(self) -> list[Any]:
        """What the window manager shows, the oldest first."""
        found = self.root.get_full_property(self.display.intern_atom("_NET_CLIENT_LIST"), X.AnyPropertyType)
        return [self.display.create_resource_object("window", number) for number in found.value] if found else []

    def wait_for(self, count: int) -> Any:
        """The newest window, as soon as there are that many."""
        until(lambda: len(self.windows()) >= count, f"window {count}")
        return self.windows()[-1]

    def move(self, window: Any, x: int, y: int) -> None:
        """Has the window manager put a window's contents there, and waits until it has, and they are painted."""
        window.configure(x=x, y=y)
        until(lambda: self.place(window)[:2] == (x, y), f"window at {x}, {y}")
        blank = Image.new("RGB", (40, 40), BACKGROUND).tobytes()
        until(lambda: self.picture().crop((x, y, x + 40, y + 40)).tobytes() != blank, "painted window")

    def place(self, window: Any) -> tuple[int, int, int, int]:
        """x, y, width and height of a window's contents."""
        at, size = window.translate_coords(self.root, 0, 0), window.get_geometry()
        return -at.x, -at.y, size.width, size.height

    def point(self, x: int, y: int) -> None:
        xtest.fake_input(self.display, X.MotionNotify, x=x, y=y)
        self.display.sync()

    def press(self, down: bool) -> None:
        xtest.fake_input(self.display, X.ButtonPress if down else X.ButtonRelease, 1)
        self.display.sync()

    def picture(self) -> Image.Image:
        return ImageGrab.grab((0, 0, *SIZE), xdisplay=os.environ["DISPLAY"])


def user(screen: Screen) -> Iterator[tuple[tuple[int, int], bool]]:
    """What somebody does before the window: where the pointer is, and whether its button is down, frame by frame."""
    x, y, width, height = screen.place(screen.wait_for(1))
    at = (x + width - 60, y + height // 2)

    def stay(seconds: float, down: bool = False) -> Iterator[tuple[tuple[int, int], bool]]:
        for _ in range(round(seconds * FRAMES_PER_SECOND)):
            yield at, down

    def go(to: tuple[int, int], seconds: float, down: bool = False) -> Iterator[tuple[tuple[int, int], bool]]:
        nonlocal at
        (x, y), steps = at, round(seconds * FRAMES_PER_SECOND)
        for step in range(1, steps + 1):
            part = step / steps
            part *= part * (3 - 2 * part)
            at = round(x + (to[0] - x) * part), round(y + (to[1] - y) * part)
            yield at, down

    yield from stay(0.4)
    yield from go((x + width // 2 + 30, y + height - 22), 0.7)  # the button "Download"
    yield from stay(0.16, True)
    yield from stay(0.8)
    x, y, width, height = screen.place(screen.wait_for(2))
    yield from go((x + 60, y - 12), 0.6)  # the dialog's title
    yield from stay(0.16, True)
    yield from go((x - 20, y + 60), 0.8, True)
    yield from go((x + 110, y + 20), 0.8, True)
    yield from stay(0.3)
    x, y, width, height = screen.place(screen.wait_for(2))
    yield from go((x + width // 2 + 10, y + height - 20), 0.5)  # "Hide this"
    yield from stay(0.16, True)
    yield from stay(0.5)
    while True:
        yield from stay(1)


def film(folder: Path) -> None:
    """One half, on the screen of this process: pictures into the folder, from the moment when stdin says so."""
    screen = Screen()
    screen.move(screen.wait_for(1), *PLACE)
    print("ready", flush=True)
    sys.stdin.readline()
    began, down, pointers = monotonic(), False, []
    for number, (at, pressed) in zip(range(round(SECONDS * FRAMES_PER_SECOND)), user(screen)):
        sleep(max(0.0, began + number / FRAMES_PER_SECOND - monotonic()))
        screen.point(*at)
        if pressed != down:
            down = pressed
            screen.press(down)
        screen.picture().save(folder / f"{number:03}.ppm")
        pointers.append((*at, down))
    (folder / "pointers.json").write_text(json.dumps(pointers))


def draw_pointer(picture: Image.Image, x: int, y: int, down: bool) -> None:
    """The X server's own is on no picture of it."""
    draw = ImageDraw.Draw(picture)
    if down:
        draw.ellipse((x - 11, y - 11, x + 11, y + 11), outline=(224, 64, 64), width=3)
    draw.polygon([(x + dx, y + dy) for dx, dy in POINTER], fill="white", outline="black")


def side_by_side(folders: list[Path]) -> Iterator[Image.Image]:
    """The frames of the film."""
    pointers = [json.loads((folder / "pointers.json").read_text()) for folder in folders]
    for number in range(len(pointers[0])):
        both = Image.new("RGB", (SIZE[0] * len(folders), SIZE[1]))
        for half, folder in enumerate(folders):
            picture = Image.open(folder / f"{number:03}.ppm").convert("RGB")
            draw_pointer(picture, *pointers[half][number])
            both.paste(picture, (half * SIZE[0], 0))
        yield both


def save(frames: list[Image.Image], file: Path) -> None:
    """In one palette, without dithering: the frames differ in what has moved, and in nothing else."""
    whole = Image.new("RGB", (frames[0].width, frames[0].height * 3))
    for row, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
        whole.paste(frame, (0, row * frame.height))
    palette = whole.quantize(128)
    made = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    made[0].save(file, save_all=True, append_images=made[1:], duration=1000 / FRAMES_PER_SECOND, loop=0, optimize=True)


@contextmanager
def server() -> Iterator[str]:
    """examples/demo/server.py, and the URL of a file that takes five seconds."""
    command = [sys.executable, str(DEMO / "server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready "):
                break
        else:
            raise SystemExit("record.py: the server does not start")
        yield line.split()[1] + "/16MiB.bin?seconds=6.25"
        process.stdin.close()  # ends it


@contextmanager
def half(url: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A screen with a window, and who films it."""
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment.update(QT_QPA_PLATFORM="xcb", WITH_FRAMES="1", no_proxy="127.0.0.1")
    command = [str(DEMO / "with_display.sh"), sys.executable, __file__, "--half", str(folder), url, *options]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
    if process.returncode:
        raise SystemExit(f"record.py: this failed: {' '.join(command)}")


def play_half(folder: Path, url: str, *options: str) -> None:
    """What runs on that screen."""
    with subprocess.Popen([sys.executable, str(HERE / "window.py"), url, *options], stdout=sys.stderr) as window:
        try:
            film(folder)
        finally:
            window.kill()


def main(file: Path) -> None:
    """The command."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, "blocking"), Path(name, "guest")]
        with server() as url, ExitStack() as stack:
            halves = []
            for folder, options in zip(folders, ([], ["--guest"])):
                folder.mkdir()
                halves.append(stack.enter_context(half(url, folder, *options)))
            for process in halves:
                assert process.stdout is not None
                if process.stdout.readline() != "ready\n":
                    raise SystemExit("record.py: a window does not come")
            for process in halves:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
        frames = list(side_by_side(folders))
    save(frames, file)
    print(f"{file}: {len(frames)} frames, {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--half"]:
        play_half(Path(sys.argv[2]), *sys.argv[3:])
    elif len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        sys.exit(__doc__)
