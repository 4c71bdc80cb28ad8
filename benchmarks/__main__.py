"""The command: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import importlib.metadata
import tempfile
from pathlib import Path
from types import ModuleType

from benchmarks import environment


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", default="ABCDEFGHIJKLMNO", help="the groups to run, such as AB"
    )
    parser.add_argument(
        "--rows-file-gb", type=float, default=0.5, help="the size of L's file"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    parser.add_argument("--rounds", type=int, help="how often each contender is timed")
    parser.add_argument(
        "--output", type=Path, default=Path("benchmark-results"), help="a folder"
    )
    return parser.parse_args()


def describe(found: dict[str, ModuleType]) -> dict[str, str]:
    """Return the machine, and the versions of all that was compared."""
    from pyperf import Run

    from benchmarks import c_code

    facts = Run([1.0]).get_metadata()
    names = {"cpu_model_name": "CPU", "cpu_count": "cores", "platform": "platform"}
    names |= {"python_version": "Python"}
    machine = {text: str(facts[key]) for key, text in names.items() if key in facts}
    for module in found.values():
        library = module.LIBRARY
        known = library == "gcc"
        machine[library] = (
            c_code.gcc_version() if known else importlib.metadata.version(library)
        )
    return machine


def main() -> None:
    """Run the groups, print the table, save it, its times and its picture."""
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        environment.prepare(Path(folder) / "cache")
        run(options, Path(folder))


def run(options: argparse.Namespace, folder: Path) -> None:
    """Do what the options say."""
    import pyperf

    from benchmarks import (
        building,
        cases,
        compiling,
        peers,
        plot,
        process,
        rows_file,
        table,
    )
    from benchmarks.measure import Report, race

    found, missing = peers.installed()
    machine = describe(found)
    environment.settle_allocator()
    sizes = cases.QUICK if options.quick else cases.Sizes()
    rounds = options.rounds or (3 if options.quick else 11)
    least = 0.002 if options.quick else 0.02
    report = Report()
    for group in sorted(set(options.only.upper()) & set(cases.GROUPS)):
        if group == "F":
            fewer = options.rounds or (1 if options.quick else 7)
            race(process.start_case(folder), fewer, 0.0, report)
        elif group == "G":
            fewer = options.rounds or (1 if options.quick else 3)
            compiling.measure(compiling.SIZES, fewer, report)
        elif group == "L":
            fewer = options.rounds or (1 if options.quick else 3)
            rows_file.measure(folder, options.rows_file_gb, fewer, report)
        elif group == "M":
            fewer = options.rounds or (1 if options.quick else 3)
            building.measure(folder, sizes.chains, fewer, report)
        else:
            for case in cases.cases(group, sizes, found):
                race(case, rounds, least, report)
    text = table.written(report, machine, missing)
    print(text)
    (options.output / "table.txt").write_text(text + "\n")
    table.save(report, machine, missing, options.output / "table.json")
    if report.benchmarks:
        suite = pyperf.BenchmarkSuite(report.benchmarks)
        suite.dump(str(options.output / "times.json"), replace=True)
    title = f"{machine.get('CPU', '')}, {machine.get('cores', '')} cores"
    plot.draw(report, title, options.output / "ratios.png")
    plot.draw_starts(report, options.output / "starts.png")


if __name__ == "__main__":
    main()
