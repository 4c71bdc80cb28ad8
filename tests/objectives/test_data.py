"""Data: read in place where that can be, checked, and nothing else accepted."""

import datetime
import importlib
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import symgd
from symgd.errors import FormulaError, InputError
from symgd.objectives.data import DataTable
from symgd.objectives.files import read_file

KEPT = ["f8", "f4", "i8", "i4", "i2", "i1", "u4", "u2", "u1", "?"]
LIBRARIES = ["pandas", "polars", "pyarrow"]
nan, inf = np.nan, np.inf


def read(value, **options):
    return DataTable({"x": value}, **options).arrays(["x"])["x"]


def frame(library, columns):
    module = importlib.import_module(library)
    return module.table(columns) if library == "pyarrow" else module.DataFrame(columns)


def refused(data, *parts, names=("x",), **options):
    """Check that each part of a message is there."""
    with pytest.raises(InputError) as caught:
        DataTable(data, **options).arrays(names)
    for part in parts:
        assert part in str(caught.value)


# --------------------------------------------------------------------- in place


@pytest.mark.parametrize("dtype", KEPT)
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[::-1],
        lambda a: a[1::3],
        lambda a: a.reshape(6, 4).T,
        lambda a: a.reshape(6, 4)[:, 1],
        lambda a: a.reshape(2, 3, 4)[:, ::-1, ::2],
        lambda a: np.broadcast_to(a[:1], (5,)),
    ],
)
def test_views_stay_views(dtype, view):
    given = view(np.arange(24).astype(dtype))
    array = read(given)
    assert np.shares_memory(array, given)
    assert array.strides == given.strides
    assert array.dtype == given.dtype
    np.testing.assert_array_equal(array, given)


def test_fields_stay_views_and_may_be_tables():
    dtype = [("flag", "i1"), ("x", "f8"), ("rows", "f4", (2,)), ("name", "U3")]
    data = np.ones(5, dtype=dtype)
    for records in (data, data.view(np.recarray), data[::-2]):
        table = DataTable(records)
        assert table.names == ("flag", "x", "rows", "name")
        arrays = table.arrays(("x", "rows", "flag"))
        assert list(arrays) == ["x", "rows", "flag"]
        assert arrays["rows"].shape == (len(records), 2)
        for name, array in arrays.items():
            assert type(array) is np.ndarray
            assert np.shares_memory(array, records)
            assert array.strides == records[name].strides


@pytest.mark.parametrize("missing", ["error", "drop"])
def test_a_mapped_file_is_not_read_into_memory(tmp_path, missing):
    size = 8_000_000
    given = np.memmap(tmp_path / "x", dtype="f8", mode="w+", shape=(size // 2, 2))
    tracemalloc.start()
    array = read(given, missing=missing)
    peak = tracemalloc.get_traced_memory()[1]
    assert np.shares_memory(array, given)
    assert peak < 2**20
    given[:] = nan
    tracemalloc.reset_peak()
    if missing == "error":
        refused({"x": given}, f"row 1, column 0 and {size - 3} more (nan, nan, nan)")
        assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", KEPT[:-1])
def test_columns_of_frames_are_not_copied(library, dtype):
    given = np.arange(1, 9).astype(dtype)
    table = DataTable(frame(library, {"x": given, "y": given}))
    assert table.names == ("x", "y")
    first, second = table.arrays(["x"])["x"], table.arrays(["x"])["x"]
    assert first.dtype == given.dtype
    assert np.shares_memory(first, second)
    np.testing.assert_array_equal(first, given)


def test_a_lazy_frame_is_collected_where_it_is_needed():
    import polars as pl

    fail = pl.col("x").map_batches(lambda s: 1 / 0, return_dtype=pl.Float64)
    table = DataTable(pl.LazyFrame({"x": [1.0, 2.0]}).with_columns(y=fail))
    assert table.names == ("x", "y")
    assert table.arrays(["x"])["x"].tolist() == [1, 2]


def test_mappings_and_arrays_need_no_narwhals():
    code = """if True:
        import sys, numpy as np
        from symgd.objectives.data import DataTable
        DataTable({"x": [1, 2]}).arrays(["x"])
        DataTable(np.zeros(3, dtype=[("x", "f8")])).arrays(["x"])
        assert not {"narwhals", "pandas", "pyarrow", "polars"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_modified():
    x = np.array([1.0, nan, 3.0])
    x.flags.writeable = False
    masked = np.ma.array([1, 2, 3], mask=[0, 0, 1])
    table = DataTable({"x": x, "y": masked}, missing="drop")
    assert {k: v.tolist() for k, v in table.arrays("xy").items()} == {
        "x": [1],
        "y": [1],
    }
    assert masked.data.tolist() == [1, 2, 3]


def test_names():
    assert DataTable(None).names == ()
    assert DataTable(None).arrays([]) == {}
    assert DataTable({1: [2], "y": [3]}).names == ("1", "y")
    assert DataTable({1: [2]}).arrays(["1", "1"])["1"].tolist() == [2]
    refused({"speed": [1]}, "there is no column 'sped' (did you mean", names=["sped"])
    refused(None, "there is no column 'x'; columns: none")
    refused({1: [2], "1": [3]}, "two columns named '1'")


@pytest.mark.parametrize("name", [1, ("a", "b")])
def test_names_of_pandas_need_not_be_text(name):
    data = frame("pandas", {name: [1.0, 2.0]})
    assert DataTable(data).arrays([str(name)])[str(name)].tolist() == [1, 2]


def test_letters_that_are_drawn_otherwise_are_the_same_in_all_names():
    micro, mu = "\u00b5", "\u03bc"  # a formula has the second, as Python reads names
    y = np.array([1.0, 2.0])
    sums = symgd.Objective(
        f"sum(({micro}[i] - w)**2 for i in range(n))", data={micro: y}
    )
    assert sums.value([1.0]) == 1.0
    assert (
        symgd.Objective(f"norm({micro} - w)", ["w"], data={micro: y}).value([1.0]) == 1
    )
    shifted = symgd.Objective(f"(x - {micro})**2", parameters={micro: 2.0})
    assert shifted.with_parameters(**{micro: 5.0}).value([1.0]) == 16.0
    found = symgd.minimize(f"({micro} - 3)**2", {micro: 1.0}, bounds={micro: (0, 2)})
    assert found.values == {mu: 2.0}
    assert symgd.minimize((sp.Symbol(micro) - 3) ** 2, {micro: 1.0}).values == {mu: 3.0}
    with pytest.raises(FormulaError, match="two different symbols have this name"):
        symgd.Objective(sp.Symbol(micro) + sp.Symbol(mu) ** 2)
    with pytest.raises(InputError, match=f"two columns named '{mu}'"):
        DataTable({micro: y, mu: y})


def test_names_of_a_frame_that_are_the_same():
    import pandas

    refused(pandas.DataFrame([[1, 2]], columns=["x", "x"]), "same name", "'x' 2 times")


# -------------------------------------------------------------------- converted


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([1, 2, 3], "i8"),
        ((1.0, 2, 3), "f8"),
        ([True, 2.0, 3], "f8"),
        (range(1, 4), "i8"),
        (np.array([1, 2, 3], dtype="f2"), "f4"),
        (np.array([1, 2, 3], dtype="u8"), "i8"),
        (np.array([1, 2, 3], dtype=np.longdouble), "f8"),
        (np.array([1, 2, 3], dtype=">f8"), "f8"),
        (np.array([1, 2, 3], dtype=">i2"), "i2"),
        ([Decimal(1), Fraction(2), 3], "f8"),
        (np.array([np.True_, np.int8(2), 3.0], dtype=object), "f8"),
        (np.ma.array([1, 2, 3], dtype="i4"), "i4"),
    ],
)
def test_other_numbers_are_converted(given, dtype):
    array = read(given)
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    assert array.tolist() == [1, 2, 3]


def test_nested_lists_are_tables():
    assert read([[1, 2, 3], (4, 5, 6)]).shape == (2, 3)
    assert read([[[1], [2]]]).shape == (1, 2, 1)
    assert read([[Decimal(1), 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "column", [[1, None, 3], [1.0, None, 3.0], [True, None, True], [Decimal(1), None]]
)
def test_null_is_missing(library, column):
    table = DataTable(frame(library, {"x": column}), missing="drop")
    array = table.arrays("x")["x"]
    assert array.dtype == float
    assert array.tolist() == [float(value) for value in column if value is not None]
    assert table.dropped == 1


@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean", "object"])
def test_na_of_pandas_is_missing(dtype):
    import pandas

    series = pandas.Series([1, pandas.NA, 0], dtype=dtype)
    for data in ({"x": series}, pandas.DataFrame({"x": series})):
        refused(data, "column 'x' is not finite in row 1 (nan)")


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_columns_of_short_arrays_are_tables(library):
    module = importlib.import_module(library)
    if library == "polars":
        column = module.Series([[1, 2], [3, 4]], dtype=module.Array(module.Float64, 2))
    else:
        kind = module.list_(module.float64(), 2)
        column = module.array([[1, 2], [3, 4]], type=kind)
    array = DataTable(frame(library, {"x": column})).arrays("x")["x"]
    assert array.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_in_parts(library):
    data = frame(library, {"x": [1.0, 2.0], "y": [3, 4]})
    module = sys.modules[library]
    join = module.concat_tables if library == "pyarrow" else module.concat
    arrays = DataTable(join([data, data])).arrays("xy")
    assert arrays["x"].tolist() == [1, 2, 1, 2]
    assert arrays["y"].tolist() == [3, 4, 3, 4]


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "data", [3, "x.csv", [1, 2], {1, 2}, np.ones((2, 3)), object()]
)
def test_other_data(data):
    refused(data, "data must be a mapping of names to arrays", "dataframe", "not ")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (
            3.5,
            [
                "column 'x' is 3.5, not an array",
                "write a single number into the formula",
            ],
        ),
        (np.float64(2), ["write a single number into the formula"]),
        (np.array(2), ["write a single number into the formula"]),
        (None, ["column 'x' is None, not an array"]),
        ([], ["column 'x' is empty: its shape is (0,)"]),
        (np.ones((3, 0)), ["its shape is (3, 0)"]),
        (np.ones((1, 1, 1, 1)), ["has 4 dimensions; at most 3"]),
        ([[1, 2], [3]], ["can't become an array", "its rows have different lengths"]),
        (["a", "b"], ["dtype <U1", "convert it to numbers"]),
        ([1, "b"], ["with 'b' in row 1", "mend it, or leave it empty"]),
        (["1", "2"], ["'1' in row 0", "numbers as texts: np.asarray(column, float)"]),
        ([1, 2, "2,5"], ["'2,5' in row 2", "a decimal point, not a comma"]),
        (["2%", "3%"], ["'2%' in row 0", "write the number alone"]),
        (["$2.5", "$3"], ["'$2.5' in row 0", "write the number alone"]),
        ([1, "<0.5"], ["'<0.5' in row 1", "mend it"]),
        (["1.02.2024", "2.02.2024"], ["write dates as 2024-02-29"]),
        (["(s)", "1", "2"], ["'(s)' in row 0", "a unit below the name"]),
        ([1, 10**400], ["can't become float64 in row 1"]),
        ([Decimal(1), "1", "?"], ["dtype object, with '?' in row 2"]),
        ([datetime.date(2020, 1, 1)], ["object, with datetime.date(2020", "subtract"]),
        ([1j], ["dtype complex128", "imaginary part"]),
        (np.array(["2020"], dtype="M8[D]"), ["datetime64[D]", "subtract a moment"]),
        (np.array([1], dtype="m8[s]"), ["timedelta64[s]", "divide it by a unit"]),
        (np.array([2**53 + 1], dtype="u8"), ["holds 9007199254740993", "int64"]),
        ([10**400], ["can't become float64"]),
        ([Decimal("sNaN")], ["can't become float64"]),
    ],
)
def test_columns_that_are_no_numbers(value, parts):
    refused({"x": value, "y": ["fine, as nobody asks"]}, "column 'x'", *parts)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("column", "parts"),
    [
        (["a", "b"], ["dtype String", "convert it to numbers"]),
        ([datetime.datetime(2020, 1, 1)] * 2, ["dtype Datetime", "subtract a moment"]),
        ([datetime.timedelta(1)] * 2, ["dtype Duration", "divide it by a unit"]),
        ([[1.0], [2.0]], ["isn't numbers"]),
        (np.array([], dtype=float), ["is empty"]),
    ],
)
def test_columns_of_frames_that_are_no_numbers(library, column, parts):
    refused(frame(library, {"x": column}), "column 'x'", *parts)


def test_categories():
    encode = "encode its categories as numbers"
    import pandas

    series = pandas.Series([1, 2], dtype="category")
    refused({"x": series}, "dtype category", encode)
    refused(frame("pandas", {"x": series}), "dtype Categorical", encode)
    import polars

    series = polars.Series(["a"], dtype=polars.Enum(["a"]))
    refused(frame("polars", {"x": series}), "dtype Enum", encode)


def test_values_of_missing():
    with pytest.raises(InputError, match=r"missing 'dorp' .*accepted: error, drop"):
        DataTable(None, missing="dorp")


# ---------------------------------------------------------------------- missing

MANY = np.ones(300_000)
MANY[[3, 17, 150_000, 299_999]] = nan, -inf, inf, nan


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, nan], "column 'x' is not finite in row 1 (nan): drop such rows"),
        ([nan, 1, inf], "in rows 0, 2 (nan, inf): drop"),
        (MANY, "in rows 3, 17, 150000 and 1 more (nan, -inf, inf): drop"),
        (MANY[::-1], "in rows 0, 149999, 299982 and 1 more (nan, inf, -inf): drop"),
        (MANY.astype(">f4"), "in rows 3, 17, 150000 and 1 more (nan, -inf, inf): drop"),
        ([[1, nan], [2, 3], [inf, 4]], "row 0, column 1; row 2, column 0 (nan, inf)"),
        (np.asfortranarray([[1, nan], [inf, 4]]), "row 0, column 1; row 1, column 0 ("),
        ([[[1, 2], [3, nan]]], "in row 0, column (1, 1) (nan): drop"),
        (np.array([1, None], dtype=object), "in row 1 (nan): drop"),
        (np.ma.array([1, 2], mask=[0, 1]), "in row 1 (nan): drop"),
        (np.array(["1e400"], dtype=np.longdouble), "in row 0 (inf): drop"),
    ],
)
def test_missing_entries_are_named(value, message):
    refused({"x": value}, message)


def test_the_first_column_that_is_missing_is_named():
    refused({"x": [1.0], "y": [nan], "z": [nan]}, "column 'y'", names="xyz")


def test_values_whose_sum_is_not_finite_are_finite():
    largest = np.finfo(float).max
    assert read([largest, largest]).tolist() == [largest, largest]


def test_rows_are_dropped_from_columns_of_the_same_length():
    data = {
        "x": [1.0, nan, 3.0, 4.0],
        "rows": [[1, 2], [3, 4], [5, inf], [7, 8]],
        "n": np.arange(4),
        "weights": np.ones(2),
        "gaps": np.array([1.0, nan, 3.0]),
        "unused": [nan] * 4,
    }
    table = DataTable(data, missing="drop")
    arrays = table.arrays(["x", "rows", "n", "weights", "gaps"])
    assert arrays["x"].tolist() == [1, 4]
    assert arrays["rows"].tolist() == [[1, 2], [7, 8]]
    assert arrays["n"].tolist() == [0, 3]
    assert arrays["weights"] is data["weights"]
    assert arrays["gaps"].tolist() == [1, 3]
    assert table.dropped == 3
    assert table.arrays(["n"])["n"] is data["n"]
    assert table.dropped == 0


def test_one_row_must_be_left():
    data = {"x": [1, nan], "y": [nan, 1]}
    refused(data, "no row is finite in all", "x, y", names="xy", missing="drop")


columns_with_gaps = st.tuples(
    st.sampled_from(["f8", "f4", ">f8"]),
    st.sampled_from([(7,), (7, 2), (7, 2, 2), (3,)]),
).flatmap(
    lambda kind: hnp.arrays(
        *kind, elements=st.sampled_from([0.0, 1.5, -2.0, 1e38, nan, inf, -inf])
    )
)


@given(st.dictionaries(st.sampled_from("abcd"), columns_with_gaps, min_size=1))
def test_drop_is_what_a_loop_over_rows_does(data):
    copies = {name: column.copy() for name, column in data.items()}
    kept = {len(column): [] for column in data.values()}
    for count, rows in kept.items():
        alike = [column for column in data.values() if len(column) == count]
        rows += [i for i in range(count) if all(np.isfinite(c[i]).all() for c in alike)]
    table = DataTable(data, missing="drop")
    if not all(kept.values()):
        refused(data, "no row is finite", names=data, missing="drop")
    else:
        arrays = table.arrays(data)
        assert table.dropped == sum(n - len(rows) for n, rows in kept.items())
        for name, column in data.items():
            np.testing.assert_array_equal(arrays[name], column[kept[len(column)]])
            whole = len(kept[len(column)]) == len(column) and column.dtype.isnative
            assert np.shares_memory(arrays[name], column) == whole
    for name, column in data.items():
        np.testing.assert_array_equal(column, copies[name])


# ------------------------------------------------------------------------ files


@pytest.fixture
def written(tmp_path):
    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1,2.5\n-3,4e1\n",
        "x, y\n1, 2.5\n-3 ,4e1",
        "x;y\r\n1;2.5\r\n-3;4e1\r\n",
        "x\ty\n1\t2.5\n-3\t4e1\n",
        "x y\n1 2.5\n-3   4e1\n",
        "  x \t y  \n 1   2.5 \n\t-3 4e1\n".replace("\t y", "  y"),
        '\ufeff"x","y"\n"1","2.5"\n-3,4e1\n',
        "# about\n\n  # more\nx,y # names\n\n1,2.5 # first\n# between\n-3,4e1\n\n",
    ],
)
def test_text_is_read(written, text):
    columns = read_file(written(text))
    assert {k: v.tolist() for k, v in columns.items()} == {"x": [1, -3], "y": [2.5, 40]}
    for column in columns.values():
        assert column.dtype == float
        assert column.flags.c_contiguous


@pytest.mark.parametrize(
    "name", ["a.csv", "a.txt", "a.dat", "a.tsv", "a.CSV", "a", "a.q"]
)
def test_any_other_extension_is_text(written, name):
    assert read_file(str(written("x\n1\n2\n", name)))["x"].tolist() == [1, 2]


@pytest.mark.parametrize("separator", ",;\t")
def test_empty_entries_are_missing(written, separator):
    text = "x,y,z\n,2,\n1,NA,3\n,,\n".replace(",", separator)
    columns = read_file(written(text))
    assert list(columns) == ["x", "y", "z"]
    table = np.array(list(columns.values())).T
    np.testing.assert_array_equal(table, [[nan, 2, nan], [1, nan, 3], [nan, nan, nan]])


def test_a_column_of_texts_fails_where_it_is_used(written):
    text = 'x,"name, first",y\n1,"a # b, c",2\n3,"d\n""e""",\n'
    table = DataTable(read_file(written(text)), missing="drop")
    assert table.names == ("x", "name, first", "y")
    assert table.arrays("x")["x"].tolist() == [1, 3]
    assert table.arrays("xy")["x"].tolist() == [1]
    with pytest.raises(InputError, match=r"'name, first' isn't numbers .*'a # b, c'"):
        table.arrays(table.names)


def test_the_text_that_is_no_number_is_shown(written):
    refused(read_file(written("x\n1\n2\n3.5.1\n4\n")), "'3.5.1' in row 2")


def test_an_index_without_a_name(written):
    assert list(read_file(written(",x\n0,1\n"))) == ["", "x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"data.csv is empty"),
        ("\n# only a comment\n", r"data.csv is empty"),
        ("# x\nx,y\n", r"data.csv, line 2: there are no rows after the names"),
        ("x,y\n1,2\n\n3\n", r"data.csv, line 4: 1 entries for 2 columns"),
        ("x,y\n1,2,3\n1,2,3\n", r"data.csv, line 2: 3 entries for 2 columns"),
        ('x,y\n"a\nb",1\n1\n', r"data.csv, line 4: 1 entries for 2 columns"),
        (
            "# x y\n1,1\n3,4\n",
            r"data.csv, line 2: the first line must name the columns",
        ),
        ("x,y,x\n1,2,3\n", r"data.csv, line 1: two columns are named 'x'"),
        ("x,y\na," + "b" * 200_000, r"data.csv can't be read: field larger"),
    ],
)
def test_texts_that_are_refused(written, text, message):
    with pytest.raises(InputError, match=message):
        read_file(written(text))


@pytest.mark.parametrize("name", ["a.csv", "a.npz", "a.npy", "a.parquet", "a.arrow"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00PK\x03\x04 nonsense"])
def test_files_that_cannot_be_read(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    reason = "No such file" if content is None else ""
    with pytest.raises(InputError, match=rf"{name}.*{reason}"):
        read_file(tmp_path / name)
    with pytest.raises(InputError, match="directory"):
        read_file(tmp_path)


def test_files_of_numpy(tmp_path):
    x = np.arange(3.0)
    np.savez(tmp_path / "a.npz", x=x, y=np.ones((3, 2)))
    data = read_file(tmp_path / "a.npz")
    assert DataTable(data).arrays("xy")["y"].shape == (3, 2)
    structured = np.zeros(3, dtype=[("x", "f8"), ("y", "i4")])
    np.save(tmp_path / "a.npy", structured)
    data = read_file(tmp_path / "a.npy")
    assert isinstance(data, np.memmap)
    assert np.shares_memory(DataTable(data).arrays("y")["y"], data)
    np.save(tmp_path / "b.npy", x)
    with pytest.raises(InputError, match=r"b\.npy has no names"):
        read_file(tmp_path / "b.npy")
    np.savez(tmp_path / "c.npz", x=np.array([None]))
    with pytest.raises(InputError, match=r"c\.npz can't be read: Object arrays"):
        read_file(tmp_path / "c.npz")


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow"])
def test_files_of_arrow(tmp_path, name):
    import pyarrow as pa

    table = pa.table({"x": [1.0, 2.0], "y": [1, None], "name": ["a", "b"]})
    if name == "a.parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, tmp_path / name)
    else:
        with pa.ipc.new_file(tmp_path / name, table.schema) as file:
            file.write_table(table)
    data = DataTable(read_file(tmp_path / name), missing="drop")
    assert data.names == ("x", "y", "name")
    assert data.arrays("x")["x"].tolist() == [1, 2]
    assert data.arrays("xy")["y"].tolist() == [1]
    with pytest.raises(InputError, match="column 'name' isn't numbers"):
        data.arrays(["name"])


def test_files_of_arrow_need_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for name in ("a.parquet", "a.arrow"):
        with pytest.raises(InputError, match="pip install pyarrow"):
            read_file(tmp_path / name)
