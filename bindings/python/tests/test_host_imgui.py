"""The adapter of imgui-bundle without a window: what is missing is named. With one, it plays on its stage in tests/hosts."""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import asyncguest
import pytest


@pytest.fixture
def imgui(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The adapter on an imgui-bundle whose runner does not run."""
    bundle, glfw = ModuleType("imgui_bundle"), ModuleType("glfw")
    vars(bundle)["hello_imgui"] = SimpleNamespace(is_using_hello_imgui=bool)
    vars(glfw)["_glfw"] = SimpleNamespace(glfwPostEmptyEvent=ctypes.CFUNCTYPE(None)(bool))
    monkeypatch.setitem(sys.modules, "imgui_bundle", bundle)
    monkeypatch.setitem(sys.modules, "glfw", glfw)
    monkeypatch.delitem(sys.modules, "asyncguest.hosts.imgui", raising=False)
    import asyncguest.hosts.imgui as adapter

    yield adapter
    del sys.modules["asyncguest.hosts.imgui"]


def test_a_step_outside_of_the_runner(imgui: Any) -> None:
    with pytest.raises(asyncguest.GuestError, match="belongs in the GUI function of a runner: host.run"):
        imgui.ImguiHost().step()


def test_without_a_display(imgui: Any) -> None:
    """The runner's own error says nothing of it, and stays what it is."""

    def run() -> None:
        raise RuntimeError("IM_ASSERT( glfwInitSuccess )   ---   runner_glfw3.cpp:67")

    with pytest.raises(RuntimeError, match="glfwInitSuccess") as raised:
        imgui.ImguiHost().run(run)
    assert "set DISPLAY" in raised.value.__notes__[0]


def test_without_the_package_glfw(imgui: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of imgui-bundle with another host do not need it, and `asyncguest.start` looks at each."""
    monkeypatch.setitem(sys.modules, "glfw", None)
    assert imgui.find() is None
    with pytest.raises(asyncguest.GuestError, match="pip install glfw"):
        imgui.ImguiHost()
