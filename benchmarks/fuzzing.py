"""What strangers may write, made by a fuzzer: ``python -m benchmarks.fuzzing``.

Inputs that reach new branches of symgd are kept and changed further (libFuzzer, by
``pip install atheris``). Each must end in a result or a SymgdError, within seconds of
the processor and bytes of memory, and lead to no program, connection or file. What
doesn't is written down, by kind; ``--again FILE`` gives the same inputs once more,
without the fuzzer.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.promises import hostile

SECONDS, BYTES = 2.0, 500 * 2**20
LONGEST = 400  # bytes of an input
READERS = (  # whose branches are told apart
    *("symgd.language", "symgd.calculus", "symgd.rules", "symgd.objectives"),
    *("symgd.descent.checkpoints", "symgd.cli.option_texts", "symgd.pages.serving"),
)
WORDS = (
    *("**", "//", "<=", ">=", "==", " if ", " else ", " and ", " or ", "not ", " for "),
    *("sum(", "prod(", "max(", "min(", "abs(", "sqrt(", "exp(", "log(", "sin("),
    *("floor(", "Mod(", "Piecewise(", "norm(", "dot(", "mean(", "gamma(", "erf("),
    *(
        "besselj(",
        "sign(",
        "atan2(",
        " in range(n)",
        "[i]",
        "[i + 1]",
        "x[i, j]",
        " @ ",
    ),
    *("where m starts at ", "with ", "step_size", "epoch", "1e308", "10**9", "lambda"),
    *(
        "\\\\frac{",
        "\\\\sqrt{",
        "^{",
        "_{",
        "\\\\sum_{i=1}^{n}",
        "formula=",
        "rule=",
        "%2A",
    ),
    *("\\xc2\\xb2", "\\xce\\xb1", "\\xe2\\x88\\x91", "\\xe2\\x88\\x9a", "\\x00"),
)
SEEDS = {
    "formula": (
        "(1 - x)**2 + 100*(y - x**2)**2",
        "sum(100*(x[i+1] - x[i]**2)**2 + (1 - x[i])**2 for i in range(n - 1))",
        "x*log(x) if x > 0 and y < 3 else abs(x) + max(x, y, 0)",
        "log(1 + exp(-x)) + erf(y)/gamma(2 + x**2) + (x % 3)//2",
        "norm(A @ x - b)**2 + 0.1*sum(abs(x))",
        r"\frac{1}{2} x^2 + \sqrt{1 + y^{2}} + \sum_{i=1}^{5} x^i",
        "prod(1 + x[i]**2 for i in range(4) if i > 1)",
    ),
    "rule": (
        "m = beta1*m + (1 - beta1)*g\nx = x - step_size*m/(norm(g) + eps)\n"
        "with step_size=0.1, beta1=0.9, eps=1e-8",
        "v = Max(v, g**2)\nx = x - step_size*g/sqrt(v)\nwith step_size=0.1\n"
        "where v starts at 1",
    ),
    "schedule": ("0.1/sqrt(t)", "0.9**t", "0.1 if t < 100 else 0.01/log(t)"),
    "name": ("weight", "x_1", "Länge", "two words"),
    "relation": ("x + 2*y <= 3", "0 <= x <= 1", "x[i] >= 1 for i in range(n)"),
    "rule file": ("x = x - s*g\nwith s=0.1", "\ufeffx = x - g"),
    "checkpoint": ("\x01counters\x02\xff", "\x00PK\x03\x04", "\x02\x04facts"),
    "query": ("formula=x**2&rule=x%20%3D%20x%20-%20g", "formula=", "rule=x&rule=y"),
}
KINDS = tuple(SEEDS)
LIKE = {"formula": ("code", "costly"), "rule": ("rules",), "schedule": ("schedules",)}
LIKE |= {"name": ("names",), "relation": ("relations",)}


class Readers:
    """What reads each kind of input, up to where a kernel would be compiled.

    Parameters
    ----------
    folder : Path
        Where files are that they read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stored = list(self._stored())

    def _stored(self) -> Any:
        import symgd
        from symgd.descent import checkpoints
        from tests.descent.test_checkpoints import RUNS

        for name in ("rule", "default method", "batches"):
            run = RUNS[name] | {"checkpoint": self.folder / f"{name}.npz"}
            symgd.minimize(maxiter=20, **run)
            yield run, checkpoints._read(run["checkpoint"])

    def __call__(self, kind: str, content: bytes) -> None:
        """Read an input."""
        text = content.decode("utf-8", "replace")
        reader: Callable[[Any], None] = getattr(self, kind.replace(" ", "_"))
        reader(content if kind in ("rule file", "checkpoint") else text)

    def formula(self, text: str) -> None:
        """Read a formula, and derive it."""
        import symgd

        objective = symgd.Objective(text)
        str(objective.gradient)

    def rule(self, text: str) -> None:
        """Read a rule, and print it."""
        import symgd

        repr(symgd.Rule.from_text(text))

    def schedule(self, text: str) -> None:
        """Read a schedule."""
        from symgd.rules.family import BUILT_IN

        BUILT_IN["gd"].schedule("step_size", text, ("t", "epoch"))

    def name(self, text: str) -> None:
        """Read a column's name, alone and in a formula."""
        import symgd

        data = {text: np.arange(4.0)}
        symgd.Objective("a**2 + 1", data=data)
        symgd.Objective(f"sum(({text}[i] - a)**2 for i in range(n))", data=data)

    def relation(self, text: str) -> None:
        """Read a constraint."""
        from symgd.objectives.constraints import Constraints

        str(Constraints(text, ("x", "y"), ("x", "y")).texts)

    def rule_file(self, content: bytes) -> None:
        """Read the file of a rule."""
        from symgd.cli.option_texts import rule

        file = self.folder / "stranger.rule"
        file.write_bytes(content)
        rule(file)

    def checkpoint(self, content: bytes) -> None:
        """Go on from a file: any, or one whose digest fits and whose numbers don't."""
        import symgd
        from tests.descent.test_checkpoints import write

        run, (facts, arrays) = self.stored[content[0] % 3 if content else 0]
        file = run["checkpoint"]
        if content[:1] < b"\x80":
            file.write_bytes(content[1:])
        else:
            arrays = {name: each.copy() for name, each in arrays.items()}
            write(file, _forged(dict(facts), arrays, content[1:]), arrays)
        symgd.minimize(maxiter=30, time_limit=1.0, **run)

    def query(self, text: str) -> None:
        """Read what an address asks of the page that is served."""
        from symgd.pages.serving import Refused, _texts

        try:
            given = _texts(text, "x**2")
        except Refused:
            return
        self.formula(given["formula"])


def _forged(facts: dict[str, Any], arrays: dict[str, Any], content: bytes) -> Any:
    """Change numbers of a checkpoint: 11 bytes say of each which, and to what."""
    names = sorted(arrays)
    for first in range(0, len(content) - 10, 11):
        which, *where = content[first : first + 3]
        number = content[first + 3 : first + 11]
        if which == 255:
            key = sorted(facts)[where[0] % len(facts)]
            facts[key] = [number[0], str(number), None, [], {}, -1.5][where[1] % 6]
            continue
        array = arrays[names[which % len(names)]]
        if array.size:
            place = int.from_bytes(where, "big") % array.size
            kept = np.frombuffer(number, array.dtype)[0]
            array.reshape(-1)[place] = kept if where[1] % 2 else number[0] - 128
    return facts


class Watch:
    """What a reader did that it shouldn't have."""

    def __init__(self, folder: Path) -> None:
        self.read, self.watching = Readers(folder), False
        self.folder = str(folder)
        self.done: list[str] = []
        signal.signal(signal.SIGPROF, self._over)
        sys.addaudithook(self._event)

    def _over(self, *_: Any) -> None:
        raise hostile.OutOfTime

    def _event(self, event: str, given: Any) -> None:
        if not self.watching:
            return
        if any(event == e or event.startswith(e + ".") for e in hostile.FORBIDDEN):
            self.done.append(event)
        if event == "open" and _is_foreign(given, self.folder):
            self.done.append(f"open {given[0]}")

    def problem(self, kind: str, content: bytes) -> str:
        """Return what is wrong about how an input is read, "" if nothing is."""
        import symgd

        self.done.clear()
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        used = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, most))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        self.watching, found = True, ""
        try:
            self.read(kind, content)
        except symgd.SymgdError:
            pass
        except hostile.OutOfTime:
            found = f"more than {SECONDS} s"
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [f for f in frames if "/symgd/" in f.filename] or frames
            place = f"{Path(own[-1].filename).name} {own[-1].name}"
            found = f"{type(error).__name__} in {place}: {str(error)[:80]}"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0.0)
            self.watching = False
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return found or ", ".join(self.done)


def _is_foreign(given: Any, folder: str) -> bool:
    """Return whether a file is one that no input should open."""
    file, mode = str(given[0]), str(given[1] or "r")
    if file == hostile.SECRET:
        return True
    writes = any(letter in mode for letter in "wax+")
    return writes and not file.startswith((folder, tempfile.gettempdir(), "/proc"))


def fuzz(folder: Path, seconds: int) -> None:
    """Give inputs until the time is over, or the process is."""
    import atheris

    with atheris.instrument_imports(include=list(READERS)):
        for name in READERS:
            place = Path(*name.split("."))
            one_file = [place.with_suffix(".py")]
            files = sorted(place.rglob("*.py")) if place.is_dir() else one_file
            for file in files:
                parts = file.with_suffix("").parts
                importlib.import_module(".".join(parts).removesuffix(".__init__"))
    import symgd

    warnings.simplefilter("ignore")
    symgd.minimize("(x - 1)**2", [0.0], method="gd", maxiter=3)
    place = Path(tempfile.mkdtemp(dir=folder))
    watch, counts = Watch(place), dict.fromkeys(KINDS, 0)
    known = {line.split("\t")[0] for line in _lines(folder)}
    begun = time.monotonic()

    def one(content: bytes) -> None:
        if not content:
            return
        kind = KINDS[content[0] % len(KINDS)]
        counts[kind] += 1
        (place / "input").write_bytes(content)
        if found := watch.problem(kind, content[1:]):
            key = f"{kind}: {found.split(':')[0]}"
            if key not in known:
                known.add(key)
                with (folder / "found.txt").open("a") as file:
                    kept = base64.b64encode(content).decode()
                    file.write(f"{key}\t{found!r}\t{kept}\n")
        if sum(counts.values()) % 500 == 0:
            (place / "counts.json").write_text(json.dumps(counts))
            if time.monotonic() - begun > seconds:
                os._exit(0)

    options = {"max_len": LONGEST, "timeout": 60, "rss_limit_mb": 0, "len_control": 0}
    options |= {"malloc_limit_mb": 0, "dict": folder / "words", "print_final_stats": 1}
    options |= {"max_total_time": seconds, "artifact_prefix": f"{place}/"}
    flags = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, str(folder / "corpus")], one)
    atheris.Fuzz()


def _lines(folder: Path) -> list[str]:
    file = folder / "found.txt"
    return file.read_text().splitlines() if file.exists() else []


def sow(folder: Path) -> None:
    """Write down the inputs that the fuzzer begins with, and words to put in."""
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for number, kind in enumerate(KINDS):
        more = [text for name in LIKE.get(kind, ()) for text in hostile.CORPUS[name]]
        for k, text in enumerate([*SEEDS[kind], *more]):
            content = bytes([number]) + text.encode("utf-8", "replace")
            if len(content) <= LONGEST:
                (folder / "corpus" / f"{number}-{k}").write_bytes(content)
    quoted = [f'"{word}"' for word in WORDS]
    (folder / "words").write_text("\n".join(quoted) + "\n")


def fragments(seconds: int) -> str:
    """Give the page addresses for so long; return what came of it, or what is wrong."""
    page = Path("symgd/pages/assets/page.js").read_text()
    begun, ended = (
        page.index("const first = "),
        page.index("// ---", page.index("recall")),
    )
    limits = "const STEPS = 300, FARTHEST = 1e5;\n"
    program = (
        Path("benchmarks/fragments.js")
        .read_text()
        .replace("STATE;", limits + page[begun:ended])
    )
    command = ["node", "-e", program, "--", str(seconds), "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


def again(file: Path) -> list[str]:
    """Give inputs that were found once more; return what is wrong now."""
    import symgd

    warnings.simplefilter("ignore")
    symgd.minimize("(x - 1)**2", [0.0], method="gd", maxiter=3)
    with tempfile.TemporaryDirectory() as folder:
        watch, wrong = Watch(Path(folder)), []
        for line in file.read_text().splitlines():
            content = base64.b64decode(line.split("\t")[-1])
            kind = KINDS[content[0] % len(KINDS)]
            if found := watch.problem(kind, content[1:]):
                wrong.append(f"{kind} {content[1:]!r}: {found}")
    return wrong


def main() -> None:
    """Fuzz, and tell what came of it."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.fuzzing", description=__doc__
    )
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--folder", type=Path, default=Path("fuzzing"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--again", type=Path, help="a file found.txt")
    parser.add_argument("--fragments", type=int, help="so many seconds, with node")
    options = parser.parse_args()
    if options.again:
        wrong = again(options.again)
        print(*wrong, sep="\n")
        raise SystemExit(f"{len(wrong)} inputs" if wrong else 0)
    if options.fragments:
        return print(fragments(options.fragments), end="")
    if options.child:
        return fuzz(options.folder, options.seconds)
    sow(options.folder)
    seeds = len(list((options.folder / "corpus").iterdir()))
    begun, ended = time.monotonic(), []
    while (left := options.seconds - int(time.monotonic() - begun)) > 5:
        command = [*(sys.executable, "-m", "benchmarks.fuzzing", "--child")]
        command += ["--seconds", str(left), "--folder", str(options.folder)]
        with (options.folder / "log.txt").open("a") as log:
            ended.append(subprocess.run(command, stdout=log, stderr=log).returncode)
        if len(ended) > 100:
            break
    counts: dict[str, int] = dict.fromkeys(KINDS, 0)
    for file in options.folder.glob("*/counts.json"):
        for kind, count in json.loads(file.read_text()).items():
            counts[kind] += count
    kept = len(list((options.folder / "corpus").iterdir()))
    print(
        f"{sum(counts.values())} inputs in {time.monotonic() - begun:.0f} s: {counts}"
    )
    print(f"{kept} kept for new branches, {seeds} of them given")
    print(f"processes that ended: {ended}")
    print(*_lines(options.folder), sep="\n")


if __name__ == "__main__":
    main()
