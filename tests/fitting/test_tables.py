"""Dates and spans of time as columns, of any kind of table; several tables."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from symgd import InputError
from symgd.fitting.curve_fit import fit
from symgd.fitting.tables import FitTable

DAYS = np.arange("2024-02-27", "2024-03-08", dtype="M8[D]")
SECONDS = 86400.0 * np.arange(10)
Y = 1 + 2e-6 * SECONDS
PLAIN = [dt.date(2024, 2, 27) + dt.timedelta(days=k) for k in range(10)]
MOMENTS = [dt.datetime.combine(day, dt.time()) for day in PLAIN]
ZONED = [moment.replace(tzinfo=dt.UTC) for moment in MOMENTS]
TEXTS = [str(day) for day in DAYS]
COLUMNS = {
    "numpy": DAYS,
    "date": PLAIN,
    "datetime": MOMENTS,
    "zoned": ZONED,
    "text": TEXTS,
    "text with a zone": [f"{day}T01:00:00+01:00" for day in TEXTS],
    "pandas": pd.Series(pd.to_datetime(TEXTS)),
    "pandas zoned": pd.Series(pd.to_datetime(TEXTS).tz_localize("UTC")),
    "polars": pl.Series(MOMENTS),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_dates_are_seconds_since_the_first(kind):
    column = COLUMNS[kind]
    tables = [{"t": column, "y": Y}]
    if kind != "polars":
        tables += [pd.DataFrame({"t": column, "y": Y})]
    if "pandas" not in kind and kind != "numpy":
        tables += [pl.DataFrame({"t": column, "y": Y})]
    for table in tables:
        read = FitTable(table)
        assert read.arrays(["t"])["t"].tolist() == SECONDS.tolist()
        assert read.reading.told(["t"]) == ["t in seconds since 2024-02-27T00:00:00"]


def test_the_first_is_the_earliest_and_new_rows_count_from_it():
    found = fit("a + b*t", {"t": DAYS[::-1], "y": Y[::-1]}, "y")
    np.testing.assert_allclose(found.x, [1, 2e-6], rtol=1e-9)
    assert "t in seconds since 2024-02-27T00:00:00" in str(found).splitlines()
    new = found.predict({"t": ["2024-02-28T12:00:00"]})
    assert new[0] == pytest.approx(1 + 2e-6 * 1.5 * 86400, rel=1e-12)
    assert "seconds" not in str(fit("a + b*t", {"t": SECONDS, "y": Y}, "y"))


def test_spans_are_seconds():
    for spans in (DAYS - DAYS[0], [day - PLAIN[0] for day in PLAIN]):
        assert FitTable({"t": spans}).arrays(["t"])["t"].tolist() == SECONDS.tolist()


def test_a_target_may_be_a_date():
    found = fit("a + b*k", {"k": np.arange(10.0), "day": DAYS}, "day")
    np.testing.assert_allclose(found.x, [0, 86400], atol=1e-6)
    assert "day in seconds since 2024-02-27T00:00:00" in str(found)


def test_missing_dates_are_missing():
    lost = DAYS.copy()
    lost[3] = np.datetime64("NaT")
    with pytest.raises(InputError, match="column 't' is not finite in row 3"):
        fit("a + b*t", {"t": lost, "y": Y}, "y")
    found = fit("a + b*t", {"t": lost, "y": Y}, "y", missing="drop")
    assert found.source.dropped == 1
    np.testing.assert_allclose(found.x, [1, 2e-6], rtol=1e-9)
    with pytest.raises(InputError, match="has no moments"):
        fit("a + b*t", {"t": np.full(10, "NaT", "M8[s]"), "y": Y}, "y")


@pytest.mark.parametrize("texts", [["a", "b"], ["2024-02-29", "soon"]])
def test_other_texts_are_no_numbers(texts):
    with pytest.raises(InputError, match="column 't' isn't numbers"):
        FitTable({"t": texts}).arrays(["t"])
    with pytest.raises(InputError, match="a date can't be read"):
        FitTable({"t": ["2024-02-30", "2024-02-31"]}).arrays(["t"])


def test_arrays_beside_a_table_lose_the_same_rows():
    frame = pd.DataFrame({"t": [0.0, 1, 2, 3], "y": [1.0, None, 3, 4]})
    found = fit("a + b*t", frame, "y", sigma=np.array([1.0, 1, 2, 2]), missing="drop")
    assert found.regression.sigma.tolist() == [1, 2, 2]


def test_tables_of_any_kind_are_put_together():
    tables = {
        "one": pd.DataFrame({"t": [1, 2], "y": [1.0, 2], "more": [0, 0]}),
        "two": pl.DataFrame({"y": [3.0], "t": [3]}),
        "three": {"t": [4], "y": [4.0]},
    }
    table = FitTable(tables)
    assert table.names == ("set", "t", "y")
    assert table.label("set") == ("one", "three", "two")
    assert table.arrays(["set", "t"])["set"].tolist() == [0, 0, 2, 1]
    assert table.arrays(["t"])["t"].tolist() == [1, 2, 3, 4]


def test_what_was_given_beside_the_data_is_called_by_its_name():
    t = np.linspace(0.0, 1.0, 9)
    spoilt = [0.1] * 8 + [np.nan]
    with pytest.raises(InputError, match=r"^sigma is not finite in row 8"):
        fit("a*t + c", {"t": t, "y": t}, "y", sigma=spoilt)
