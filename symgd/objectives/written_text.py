"""What a file of text is written in: its encoding, and the form of its numbers."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from symgd.errors import InputError
from symgd.objectives.data import floats_of

_AS_CSV = "save it as CSV (UTF-8), or read it by pandas.read_excel and give what it has"
# What isn't text, by how it begins, and what to do.
_NO_TEXT = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", _AS_CSV),
    (b"PAR1", "Parquet", "name it .parquet"),
    (b"ARROW1", "an Arrow file", "name it .arrow"),
    (b"\x93NUMPY", "NumPy's", "name it .npy"),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it"),
    (b"BZh", "compressed (bzip2)", "unpack it"),
    (b"%PDF", "a PDF", "give its table as text, with a line of names"),
    (b"\x89HDF", "HDF5", "read it by h5py, and give arrays by name"),
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENDING = r"(?:[eE][-+]?\d+)?"
_GERMAN = re.compile(rf"[-+]?(?:\d{{1,3}}(?:\.\d{{3}})+|\d*)(?:,\d+)?{_ENDING}")
_ENGLISH = re.compile(rf"[-+]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d*)?{_ENDING}")


def encoding_of(path: Path) -> str:
    """Return the encoding of a file of text; that it isn't UTF-8 is noted.

    Raises
    ------
    InputError
        If the file isn't text, with what it is and what to do.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        encoding = _marked(path, head)
        if encoding is not None:
            return encoding
        decoder = codecs.getincrementaldecoder("utf-8")()
        while head:
            try:
                decoder.decode(head)
            except UnicodeDecodeError:
                warnings.warn(
                    f"{path} isn't in UTF-8: read as Windows-1252", stacklevel=6
                )
                return "cp1252"
            head = file.read(1 << 20)
    return "utf-8"


def _marked(path: Path, head: bytes) -> str | None:
    if head.startswith(b"PK\x03\x04"):
        is_office = b"xl/" in head or b"[Content_Types]" in head
        what = "an Excel workbook (.xlsx)" if is_office else "a zip file"
        advice = _AS_CSV if is_office else "unpack it"
        raise InputError(f"{path} isn't text but {what}: {advice}")
    for mark, what, advice in _NO_TEXT:
        if head.startswith(mark):
            raise InputError(f"{path} isn't text but {what}: {advice}")
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise InputError(f"{path} isn't text: save it as CSV (UTF-8)")
    return None


def numbers_of(texts: Sequence[str], separator: str | None) -> np.ndarray | None:
    r"""Return numbers as Python, Germans or the English write them; or None.

    Commas are decimal between semicolons, as spreadsheets write them; elsewhere where
    they can't be anything else.

    >>> numbers_of(["1,5", "-2", "1.000,25"], ";")
    array([   1.5 ,   -2.  , 1000.25])
    >>> numbers_of(["1,234.5", "2"], ",")
    array([1234.5,    2. ])
    >>> numbers_of(["1,234"], "\t") is None
    True
    """
    if (plain := floats_of(texts)) is not None:
        return plain
    given = [text for text in texts if text not in ("", "NA")]
    if all(_GERMAN.fullmatch(text) for text in given):
        clear = separator == ";" or any(
            re.search(r"\..*,|,(?!\d{3}(?!\d))", text) for text in given
        )
        mixed = any("." in text and "," not in text for text in given)
        if clear and separator != "," and not mixed:
            return floats_of([t.replace(".", "").replace(",", ".") for t in texts])
    grouped = any(re.search(r",.*[.,]", text) for text in given)
    if grouped and all(_ENGLISH.fullmatch(text) for text in given):
        return floats_of([text.replace(",", "") for text in texts])
    return None
