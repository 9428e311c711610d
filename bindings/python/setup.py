"""Builds asyncguest: cargo makes the Rust library, cffi the module around it. pyproject.toml has all that is not code."""

import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # build front ends do not run this file as a script

from build_support import rust  # noqa: E402


class BuildPy(build_py):
    """Begins with an empty folder: setuptools would pack modules that were deleted since the last build."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib, "asyncguest"), ignore_errors=True)
        super().run()


class BuildExt(build_ext):
    """Links the static library, which cargo is always asked for: it knows best what is up to date."""

    def run(self) -> None:
        library = str(rust.static_library())
        for extension in self.extensions:
            extension.extra_objects = [library]
            extension.depends = [library, str(rust.HEADER), str(rust.NATIVE_C)]
        super().run()


class Sdist(sdist):
    """Takes the Rust sources along, which in a checkout lie outside this folder."""

    def run(self) -> None:
        # setuptools would pack what the list of an earlier build names and MANIFEST.in no longer does.
        Path(self.get_finalized_command("egg_info").egg_info, "SOURCES.txt").unlink(missing_ok=True)
        super().run()

    def make_release_tree(self, base_dir: str, files: "list[str]") -> None:
        super().make_release_tree(base_dir, files)
        rust.copy_sources(Path(base_dir, "rust"))


# Debug and free-threaded builds of CPython have no stable ABI; cffi leaves it out there as well.
stable_abi = not hasattr(sys, "gettotalrefcount") and not sysconfig.get_config_var("Py_GIL_DISABLED")

options: "dict[str, dict[str, str]]" = {}
if stable_abi:
    options["bdist_wheel"] = {"py_limited_api": "cp311"}
if rust.IN_CHECKOUT:
    products = rust.ROOT / "build/python/setuptools"  # with all other products, out of the source tree
    products.mkdir(parents=True, exist_ok=True)
    options["build"] = {"build_base": str(products)}
    options["egg_info"] = {"egg_base": str(products)}

setup(
    version=rust.version(),
    cffi_modules=["build_support/ffibuilder.py:make"],
    cmdclass={"build_py": BuildPy, "build_ext": BuildExt, "sdist": Sdist},
    options=options,
)
