"""Files of text as people have them: other encodings, other numbers, and no text."""

import zipfile

import pytest

from symgd import InputError
from symgd.objectives.files import lines_of, read_file
from symgd.objectives.written_text import numbers_of


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"]
)
def test_encodings_with_a_mark_are_known(tmp_path, encoding):
    marks = {"utf-16-le-bom": b"\xff\xfe", "utf-16-be-bom": b"\xfe\xff"}
    mark, plain = marks.get(encoding, b""), encoding.removesuffix("-bom")
    path = tmp_path / "a.csv"
    path.write_bytes(mark + "Größe,t\n1.5,2\n,x\n".encode(plain))
    found = read_file(path)
    assert list(found) == ["Größe", "t"]
    assert found["Größe"][0] == 1.5
    assert lines_of(path) == [2, 3]


def test_one_byte_a_letter_is_read_with_a_note(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("Zeit;Größe\n1;2,5\n2;3\n".encode("latin-1"))
    with pytest.warns(UserWarning, match=r"a\.csv isn't in UTF-8: .* Windows-1252"):
        found = read_file(path)
    assert {k: v.tolist() for k, v in found.items()} == {
        "Zeit": [1, 2],
        "Größe": [2.5, 3],
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xd0\xcf\x11\xe0\xa1", r"an Excel workbook \(.xls\): save it as CSV"),
        (b"PK\x03\x04" + b"." * 26 + b"xl/workbook.xml", r"\(.xlsx\): save it as CSV"),
        (b"PK\x03\x04" + b"." * 26 + b"a.csv", "a zip file: unpack it"),
        (b"PAR1....", "Parquet: name it .parquet"),
        (b"\x1f\x8b\x08", r"compressed \(gzip\): unpack it"),
        (b"%PDF-1.7", "a PDF"),
        (b"x,y\n1,\0\0", r"isn't text: save it as CSV"),
        (b"x,y\n\x81\x8d,2\n", "can't be read"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Windows-1252")
def test_what_is_no_text_is_told(tmp_path, content, told):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=told):
        read_file(path)


def test_a_workbook_is_known_by_what_it_holds(tmp_path):
    path = tmp_path / "data.csv"  # someone has renamed it
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
    with pytest.raises(InputError, match="Excel workbook"):
        read_file(path)


@pytest.mark.parametrize(
    ("texts", "separator", "numbers"),
    [
        (["1,5", "2", ""], ";", [1.5, 2, float("nan")]),
        (["1,234", "5"], ";", [1.234, 5]),
        (["1.234,5", "-7,25e-3"], ";", [1234.5, -0.00725]),
        (["1,5", "2,25"], "\t", [1.5, 2.25]),
        (["1,234", "5,678"], "\t", None),  # thousands, or decimals
        (["1,234", "5,67"], None, [1.234, 5.67]),
        (["1,234.5", "2"], ",", [1234.5, 2]),
        (["1,234,567", "2"], "\t", [1234567, 2]),
        (["0.5", "0,5"], ";", None),
        (["1,5", "abc"], ";", None),
        (["1,2,3"], ";", None),
        (["NA", ""], ";", [float("nan")] * 2),
    ],
)
def test_numbers_are_read_where_they_can_mean_one_thing(texts, separator, numbers):
    found = numbers_of(texts, separator)
    assert (found is None) == (numbers is None)
    if numbers is not None:
        assert found.tolist() == pytest.approx(numbers, nan_ok=True)


def test_rows_are_numbered_by_their_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('# by me\n\nx,y\n1,2\n# a word\n3,"a\nb"\n\n5,6\n')
    assert lines_of(path) == [4, 7, 9]
