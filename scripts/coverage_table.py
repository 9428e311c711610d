"""What llvm-cov has exported, as a table per folder of src.

    coverage_table.py TITLE build/coverage/NAME EXPORT...

What ran in one of the exports, ran. Writes NAME.ran and NAME.missed, "FILE:LINE" each. The unit tests, which stand at the
end of the files of src, are left out: they are no product.
"""

import collections
import itertools
import json
import pathlib
import re
import sys
import typing

SRC = pathlib.Path(__file__).resolve().parent.parent / "src"
CODE = 0  # the kind of a region; others are macros, gaps and what the preprocessor skipped

Place = tuple[int, int, int, int]


class Segment(typing.NamedTuple):
    line: int
    column: int
    times: int
    counted: bool
    entry: bool
    gap: bool


def end_of_product(path: pathlib.Path) -> int:
    """The line at which the unit tests of a file begin."""
    if path.name == "tests.rs":
        return 0
    lines = path.read_text().splitlines()
    tests = (
        n
        for n, line in enumerate(lines, 1)
        if re.match(r"(pub(\(.*\))? )?mod tests? \{", line) and lines[n - 2] == "#[cfg(test)]"
    )
    return next(tests, len(lines) + 1)


def lines_of(segments: list[list[typing.Any]]) -> dict[int, int]:
    """How often each line with code ran: the most of the regions that begin on it and of the one that reaches it."""
    ran: dict[int, int] = {}
    reaching = None  # the last segment of an earlier line: its count, if it has one, holds until the next segment
    for line, group in itertools.groupby(segments, key=lambda segment: segment[0]):
        here = [Segment(*segment) for segment in group]
        if reaching is not None and reaching.counted:
            ran.update((between, reaching.times) for between in range(reaching.line + 1, line))
        counts = [segment.times for segment in here if segment.counted and segment.entry and not segment.gap]
        skipped = here[0].entry and not here[0].counted
        if reaching is not None and reaching.counted and not skipped:
            counts.append(reaching.times)
        if counts:
            ran[line] = max(counts)
        reaching = here[-1]
    return ran


def main() -> None:
    title, base, exports = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    lines: dict[pathlib.Path, dict[int, int]] = collections.defaultdict(dict)
    regions: dict[pathlib.Path, dict[Place, int]] = collections.defaultdict(dict)
    for export in exports:
        data = json.loads(pathlib.Path(export).read_text())["data"][0]
        ends = {}
        for file in data["files"]:
            path = pathlib.Path(file["filename"])
            if not path.is_relative_to(SRC):  # of the standard library
                continue
            ends[path] = end = end_of_product(path)
            for line, count in lines_of(file["segments"]).items():
                if line < end:
                    lines[path][line] = max(count, lines[path].get(line, 0))
        for function in data["functions"]:  # a generic one is there once for each type
            for *place, count, file_index, _, kind in function["regions"]:
                path, here = pathlib.Path(function["filenames"][file_index]), typing.cast(Place, tuple(place))
                if kind == CODE and here[0] < ends.get(path, 0):
                    regions[path][here] = max(count, regions[path].get(here, 0))

    folders: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0, 0, 0])
    ran: list[str] = []
    missed: list[str] = []
    for path, counts in lines.items():
        places, name = regions[path].values(), path.relative_to(SRC)
        figures = (len(counts), sum(map(bool, counts.values())), len(places), sum(map(bool, places)))
        for folder in (f"src/{name.parent}".removesuffix("/."), "all"):
            folders[folder] = [a + b for a, b in zip(folders[folder], figures, strict=True)]
        for line, count in counts.items():
            (ran if count else missed).append(f"src/{name}:{line}\n")
    base.with_suffix(".ran").write_text("".join(sorted(ran)))
    base.with_suffix(".missed").write_text("".join(sorted(missed)))

    print(f"\n{title}\n{'':20}{'lines':>7}{'ran':>7}{'':8}{'regions':>9}{'ran':>7}")
    for folder, (n, hit, n_regions, hit_regions) in sorted(
        folders.items(), key=lambda item: (item[0] == "all", item[0])
    ):
        if n:
            share, share_regions = 100 * hit / n, 100 * hit_regions / n_regions
            print(f"{folder:20}{n:7}{hit:7}{share:7.1f}%{n_regions:9}{hit_regions:7}{share_regions:7.1f}%")


main()
