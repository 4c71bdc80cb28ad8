import pytest
from matplotlib.figure import Figure

import symgd
from symgd import InputError

DATA = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.1, 4.9, 7.2]}
THINGS = {
    "a run": lambda: symgd.minimize("x**2 + y**2", [1, 2], method="gd", trace=True),
    "runs": lambda: [symgd.minimize("x**2", 1.0, trace=True) for _ in range(2)],
    "a race": lambda: symgd.race("x**2", 1.0, ["gd", "momentum"], maxiter=20),
    "a sweep": lambda: symgd.sweep("x**2", 1.0, method="gd", step_size=[0.1, 0.2]),
    "a fit": lambda: symgd.fit("a + b*t", DATA, "y"),
}


@pytest.mark.parametrize("name", THINGS)
def test_what_is_computed_is_drawn_and_saved_by_one_door(name, tmp_path):
    thing = THINGS[name]()
    assert symgd.plot(thing, ax=Figure().subplots()).has_data()
    symgd.save(thing, tmp_path / "picture.svg")
    assert "<svg" in (tmp_path / "picture.svg").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(THINGS) - {"runs"}))
def test_what_draws_itself_saves_itself(name, tmp_path):
    thing = THINGS[name]()
    assert thing.plot(ax=Figure().subplots()).has_data()
    thing.save(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


@pytest.mark.parametrize("thing", [3.0, "x**2", [], {"x": 1}])
def test_what_has_no_picture_is_refused(thing, tmp_path):
    for draw in (symgd.plot, lambda each: symgd.save(each, tmp_path / "a.png")):
        with pytest.raises(InputError, match="there is no picture of"):
            draw(thing)
