"""Every host: plays all scenarios on every stage, prints the table, keeps logs and pictures.

    python table.py --newest PYTHON --system PYTHON --out FOLDER [--short] [--jobs N] [STAGE...]

Owns: the pool of workers. Writes FOLDER/table.md, FOLDER/*.png (the windows in mid-run) and FOLDER/logs; adds the rows
of other languages' hosts from FOLDER/*.txt, each "host|version|drive|passed|failed|skipped|reasons". What fails and may
be an accident (scripts/quarantine.py) is tried once more, alone, and named. The exit status is 0 if nothing has failed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import stages
from rows import Row, best_of, indented, is_well, remarks_on, text_of
from theatre import Theatre


def load() -> tuple[list[type[stages.Stage]], list[Row]]:
    """All stages, and a row for each module of them that cannot be imported."""
    found, missing = [], []
    for module in stages.modules():
        try:
            found += stages.stages_of(module)
        except ImportError as error:
            missing.append(Row(module.removeprefix("stage_"), "-", remark=f"not to be had here: {error}"))
    return found, missing


def foreign(out: Path) -> tuple[list[list[str]], list[str], Counter[str]]:
    """The rows that other languages' tests have written: cells, remarks, and what they add up to."""
    cells, remarks, total = [], [], Counter[str]()
    for path in sorted(out.glob("*.txt")):
        for line in path.read_text().splitlines():
            host, version, drive, passed, failed, skipped, reasons = (line.split("|") + [""] * 7)[:7]
            cells.append([host, version, drive, passed, failed, skipped, "-"])
            total.update(passed=int(passed), failed=int(failed), skipped=int(skipped))
            if reasons:
                remarks.append(f"{host} ({drive}): {reasons}")
    return cells, remarks, total


def main() -> int:
    """The command. Returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--newest", required=True, metavar="PYTHON")
    parser.add_argument("--system", metavar="PYTHON")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--short", action="store_true", help="variants of a stage in one drive and without hostcheck")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("stages", nargs="*", metavar="STAGE")
    options = parser.parse_args()
    out: Path = options.out.resolve()
    pythons = {"newest": options.newest, "system": options.system}
    began = monotonic()

    found, rows = load()
    if unknown := set(options.stages) - {stage.name for stage in found}:
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(stage.name for stage in found)}")
    played: list[tuple[type[stages.Stage], Row]] = []
    with Theatre(pythons, out) as scene:
        with ThreadPoolExecutor(options.jobs) as pool:
            jobs = []
            for stage in found:
                if options.stages and stage.name not in options.stages:
                    continue
                is_short = options.short and stage.variant
                of_stage = [Row(stage.name, drive) for drive in stage.drives[: 1 if is_short else None]]
                rows += of_stage
                if pythons[stage.python] is None:
                    for row in of_stage:
                        row.remark = "not to be had here: the system's own Python is not there"
                    continue
                played += [(stage, row) for row in of_stage]
                jobs += [pool.submit(scene.scenarios, stage, row) for row in of_stage]
                if not is_short:
                    jobs.append(pool.submit(scene.check, stage, of_stage))
            pages = Row("pages of docs/hosts", "-", check="-")
            if not options.stages:
                rows.append(pages)
                jobs += [pool.submit(scene.pages, python, pages) for python in pythons.values() if python]
            for job in jobs:
                job.result()
            pages.outcomes = best_of(pages.outcomes)
            if pages.outcomes:
                scene.tell(pages)
        failed = [each["scenario"] for _, row in played for each in row.outcomes if each["outcome"] == "failed"]
        again = scene.tries.among(failed)
        with ThreadPoolExecutor(1) as pool:
            for job in [pool.submit(scene.again, stage, row, again) for stage, row in played if row.count("failed")]:
                job.result()
    cells, remarks, total = foreign(out)
    for row in rows:
        total.update({outcome: row.count(outcome) for outcome in ("passed", "failed", "skipped")})
        total["failed"] += row.remark.startswith("the player") + (not is_well(row.check))
    table = text_of([row.cells() for row in rows] + cells)
    below = remarks_on(rows) + remarks
    counts = ", ".join(f"{total[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))
    (out / "table.md").write_text("\n".join([table, "", *(f"- {remark}" for remark in below), "", counts, ""]))
    print(table)
    for line in [*below, *scene.tries.lines()]:
        print(line)
    for row in rows:  # the rest of what was printed is in the logs
        for outcome in [each for each in row.outcomes if each["outcome"] == "failed"][:2]:
            print(f"{row.host}, {row.drive}, {outcome['scenario']}:\n{indented(outcome.get('said', '')[-1500:])}")
    print(f"{monotonic() - began:.0f} s")
    print(counts)
    return 1 if total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
