"""Pages say what is so: what they show is run, and what they name is there."""

import doctest
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
from typer.testing import CliRunner

import symgd
from symgd import Status, cli, testing
from symgd.language.functions import FUNCTIONS
from symgd.rules.family import BUILT_IN
from tests.promises.test_house import ORDER

matplotlib.use("Agg")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", DOCS / "index.md"]
PAGES += sorted(DOCS.glob("[a-z]*/*.md"))
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TINY = re.compile(r"\b\d(\.\d+)?e-(0[6-9]|\d\d+)\b")  # what rounding makes of 0
BUILT = "docs/explanation/how-it-is-built.md"
COMMANDS = ["cache", *(command.__name__ for command in cli.COMMANDS)]
VALLEY = "(1 - x)**2 + 100*(y - x**2)**2"
LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass
class Page:
    """A page as it is run: what names stand for, and what was last printed."""

    file: Path
    names: dict
    printed: str = ""

    def python(self, text):
        """Run statements; what begins with a file's name is an excerpt of it."""
        if text.startswith("# symgd/"):
            self.excerpt(*text.split("\n", 1))
        else:
            exec(compile(text, self.file, "exec"), self.names)

    def excerpt(self, name, text):
        source = (ROOT / name.removeprefix("# ")).read_text("utf-8")
        rest, skipping = iter(source.splitlines()), True
        for line in text.splitlines():
            if line.strip() != "...":
                assert line in rest if skipping else next(rest) == line, line
            skipping = line.strip() == "..."

    def pycon(self, text):
        """Compare what is printed with what the page says."""
        parsed = doctest.DocTestParser().get_doctest(
            *(text, self.names, self.file.name, str(self.file), 0)
        )
        checked = doctest.DocTestRunner(Alike(), optionflags=LIKE)
        told = []
        failed = checked.run(parsed, out=told.append, clear_globs=False).failed
        assert not failed, "".join(told)
        self.names.update(parsed.globs)

    def sh(self, text):
        """Run the lines that are symgd's own command."""
        for line in text.replace("\\\n", " ").splitlines():
            command = shlex.split(line.rpartition("&& ")[2], comments=True)
            if command[:1] == ["symgd"]:
                self.printed, code = ran(command[1:])
                assert code in (0, 1), self.printed

    def c(self, text):
        """Find each line in the example, or in the header of its formula."""
        symgd.export(VALLEY, "valley.c", method="amsgrad")
        known = [Path("valley.h"), *Path("examples/c_program").glob("*.c")]
        lines = {ln for each in known for ln in each.read_text("utf-8").splitlines()}
        assert {*filter(None, text.splitlines())} <= lines

    def console(self, text):
        """Run a command, and compare."""
        command, told = text.removeprefix("$ symgd ").split("\n", 1)
        self.printed, _ = ran(shlex.split(command))
        self.text(told)

    def text(self, told):
        """Compare with what the last command printed."""
        assert Alike().check_output(told, self.printed, LIKE), self.printed


class Alike(doctest.OutputChecker):
    """Texts are alike if they differ in nothing but what rounding leaves of 0."""

    def check_output(self, want, got, flags):
        want, got = (TINY.sub("tiny", text) for text in (want, got))
        return super().check_output(want, got, flags)


def ran(arguments):
    """Return what a command prints, and its exit status."""
    target = arguments[-1] if ">" in arguments else None
    given = cli.prepared(arguments[:-2] if target else arguments)
    done = CliRunner().invoke(cli.app, given)
    if target:
        Path(target).write_text(done.stdout, "utf-8")
    return done.output, done.exit_code


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_what_a_page_shows_is_so(file, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    page = Page(file, {})
    for language, text in FENCED.findall(file.read_text("utf-8")):
        getattr(page, language)(text)
    plt.close("all")


@pytest.mark.parametrize("file", DOCS.glob("how-to/from-*.md"), ids=lambda f: f.stem)
def test_each_line_on_the_side_of_symgd_runs(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, names = file.read_text("utf-8"), {}
    exec(re.search(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1], names)
    rows = re.findall(r"^\| (.*?) \| (.*?) \| .*\|$", text, re.MULTILINE)
    lines = [here for _, here in rows if here != "here"]
    assert len(lines) >= 15
    for line in lines:
        exec(re.fullmatch("`(.*)`", line)[1], names)
    plt.close("all")


# ----------------------------------------------------------------- what they name


def text_of(name):
    return (ROOT / name).read_text("utf-8")


def headed(text):
    return re.findall(r"`(\w+)`", " ".join(re.findall("^## .*", text, re.MULTILINE)))


def test_the_stages_of_a_formula_are_the_rooms():
    assert headed(text_of("docs/explanation/how-a-formula-becomes-a-loop.md")) == [
        *ORDER
    ]


def test_the_rooms_are_told_in_their_order():
    told = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text_of(BUILT), re.MULTILINE)
    assert re.findall(r"\w+", " ".join(told)) == [*ORDER]
    order = text_of("CONTRIBUTING.md").partition("|")[0]
    assert re.findall(r"`(\w+)`", order) == [*ORDER]


@pytest.mark.parametrize(
    ("page", "members"),
    [
        ("reference/formulas", FUNCTIONS),
        ("how-to/choose-a-method", BUILT_IN),
        ("how-to/read-a-status", Status.__members__),
        ("reference/command-line", COMMANDS),
        ("reference/names", [*symgd.__all__, "FormulaRegressor"]),
        ("reference/testing", testing.__all__),
    ],
)
def test_a_page_names_all_there_are(page, members):
    named = set(re.findall(r"\w+", text_of(f"docs/{page}.md")))
    assert {*members} - named == set()


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_what_a_page_points_to_is_there(file):
    text = file.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    missing = [link for link in links if not (file.parent / link).exists()]
    paths = re.findall(r"`([a-z_/]+/[a-z_]+\.\w+)`", text)  # capitals stand for others
    places = (ROOT, ROOT / "symgd")
    missing += [p for p in paths if not any((place / p).exists() for place in places)]
    assert missing == []


def test_the_first_pages_are_short():
    assert len(text_of("README.md").splitlines()) <= 120
    assert len(text_of("CONTRIBUTING.md").splitlines()) <= 30


def test_the_hooks_have_the_linter_of_the_extra():
    pinned = re.search(r"ruff==([\d.]+)", text_of("pyproject.toml"))[1]
    assert f"rev: v{pinned} " in text_of(".pre-commit-config.yaml")
