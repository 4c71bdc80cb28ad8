"""Records: what Python sees and what kernels see is the same memory."""

import pytest

from symgd.lowering import intrinsics
from symgd.lowering.entries import Interpreted, native
from symgd.native import exchange, quadratic, records
from symgd.native.machine import address
from symgd.native.record import Record, record

KINDS = [
    *(records.RunState, records.RunArrays, records.EndState, records.EndArrays),
    *(records.BlockShape, quadratic.TrustRegion),
    *(exchange.ArrayFacts, exchange.ArrayPlaces, exchange.Room),
]


@record
class Point(Record):
    number: int
    height: float


@record
class Place(Point):
    depth: float


def test_fields_begin_with_those_of_the_record_below():
    assert list(Place.kinds()) == ["number", "height", "depth"]
    place = Place(number=3, depth=-0.5)
    assert place.numbers() == {"number": 3, "height": 0.0, "depth": -0.5}
    assert Place.length() == 3
    assert [Place.word_of(name) for name in Place.kinds()] == [0, 1, 2]


def test_all_kinds_are_words_without_gaps():
    for kind in KINDS:
        assert kind.length() == len(kind.kinds()), kind
        offsets = [kind.word_of(name) for name in kind.kinds()]
        assert offsets == list(range(kind.length())), kind


def test_what_is_stored_comes_back():
    place = Place(number=2**40 + 1, height=0.1, depth=float("inf"))
    other = Place()
    other.take(place.stored())
    assert other.numbers() == place.numbers()
    place.clear()
    assert place.numbers() == {"number": 0, "height": 0.0, "depth": 0.0}
    assert other.number == 2**40 + 1


def test_a_number_is_seen_as_an_array_in_the_same_memory():
    place = Place()
    place.seen("number")[0] = 7
    place.seen("depth")[0] = 2.5
    assert (place.number, place.depth) == (7, 2.5)


def test_only_whole_numbers_and_floats_are_fields():
    with pytest.raises(KeyError, match="str"):

        @record
        class Text(Record):
            name: str


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_find_each_field_where_python_has_it(kind):
    layout = intrinsics._layout(kind)
    assert layout.size == 8 * kind.length()
    assert all(layout.offset(name) == 8 * kind.word_of(name) for name in kind.kinds())


def test_a_kernel_reads_and_writes_by_name():
    place = Place(number=20, height=0.5)
    kernel = native(doubled, "i:p")
    call = kernel.call if isinstance(kernel, Interpreted) else kernel.ctypes
    assert call(address(place)) == 40
    assert place.numbers() == {"number": 40, "height": 1.5, "depth": 20.5}


place_at = intrinsics.record_at(Place)


def doubled(there):
    place = place_at(there)
    place.depth = place.number + place.height
    place.number *= 2
    place.height += 1.0
    return place.number
