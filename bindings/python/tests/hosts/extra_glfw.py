"""What is GLFW's own: handlers that C calls, and a window that may be hidden.

Owns: nothing. Each function is a scenario on the stage of `stage_glfw`.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from extra_messages import sixty_frames_and_ten_thousand_messages_a_second
from extra_threads import nothing_is_found_on_another_thread
from scenarios_end import stay
from stages import Run


def what_a_handler_raises_comes_out_on_the_main_thread(stage: Any) -> None:
    """The package glfw keeps it until its next function returns, which must not be one that a post calls."""
    glfw = stage.glfw

    def resized(window: Any, width: int, height: int) -> None:
        glfw.set_window_size_callback(stage.window, None)
        raise ZeroDivisionError

    width, height = glfw.get_window_size(stage.window)
    for post_meanwhile in (False, True):
        run = Run(stage, asyncio.sleep, 3600, then=stay)
        glfw.set_window_size_callback(stage.window, resized)
        if post_meanwhile:
            # As C calls it in a wait, which has not returned yet when another thread posts.
            stage.host._is_waiting = True
            glfw._callback_exception_decorator(resized)(stage.window, width, height)
            worker = threading.Thread(target=stage.host.post, args=(int,))
            worker.start()
            worker.join()
            stage.host._is_waiting = False
        else:
            glfw.set_window_size(stage.window, width, height + 1)
        try:
            for _ in range(100):
                stage.host.wait_events(0.05)
        except ZeroDivisionError:
            pass
        else:
            raise AssertionError("it has not come out")
        run.guest.shutdown()


def a_hidden_window(stage: Any) -> None:
    """No frames and no events: the guest goes on."""
    stage.moving = False

    async def main() -> int:
        await asyncio.sleep(0.05)
        stage.glfw.hide_window(stage.window)
        before = len(stage.frames)
        for _ in range(20):
            await asyncio.sleep(0.005)
        stage.glfw.show_window(stage.window)
        return len(stage.frames) - before

    assert stage.play(main) == 0


EXTRA = {
    function.__name__: function
    for function in (
        what_a_handler_raises_comes_out_on_the_main_thread,
        a_hidden_window,
        nothing_is_found_on_another_thread,
        sixty_frames_and_ten_thousand_messages_a_second,
    )
}
