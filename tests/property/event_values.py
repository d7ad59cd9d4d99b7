"""Strategies of events, built from their types."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as shapes

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_SCALARS: dict[type[shapes.Type], st.SearchStrategy[Any]] = {
    shapes.StrType: TEXT,
    shapes.IntType: INT64,
    shapes.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    shapes.BoolType: st.booleans(),
    shapes.BytesType: st.binary(max_size=8),
    shapes.NoneType: st.none(),
    shapes.RawType: st.dictionaries(TEXT, INT64 | TEXT, max_size=2).map(
        lambda value: msgspec.Raw(json.dumps(value).encode())
    ),
}


def events(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return events of ``kind``: every optional field may be set or left."""
    return _of(shapes.type_info(kind))


def _of(shape: shapes.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911 (one for each shape)
    match shape:
        case shapes.EnumType(cls=cls):
            return st.sampled_from(list(cls))
        case shapes.StructType(cls=cls, fields=fields):
            required = {one.name: _later(one.type) for one in fields if one.required}
            optional = {one.name: _later(one.type) for one in fields if not one.required}
            given = st.fixed_dictionaries(required, optional=optional)
            return given.map(lambda values: cls(**values))
        case shapes.UnionType(types=types):
            return st.one_of(*map(_of, types))
        case shapes.VarTupleType(item_type=item):
            return st.lists(_of(item), max_size=2).map(tuple)
        case shapes.TupleType(item_types=items):
            return st.tuples(*map(_of, items))
        case shapes.DictType(key_type=key, value_type=value):
            return st.dictionaries(_of(key), _of(value), max_size=2)
    return _SCALARS[type(shape)]


def _later(shape: shapes.Type) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: _of(shape))
