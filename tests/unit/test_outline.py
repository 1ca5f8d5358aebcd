"""The parts of a long JSON object are found, as whole as any parser finds them."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import outline as module
from service.api import pace
from service.api.outline import Outline, TooLong, TooManyElements, outline

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def read(text: str, most: int = 100, longest: int = 1_000_000) -> Outline:
    return asyncio.run(outline(text, "tasks", most, longest))


@given(
    members=st.dictionaries(st.text(), values, max_size=4),
    elements=st.none() | st.lists(values, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    escaped=st.booleans(),
)
def test_the_parts_are_what_a_parser_finds(
    members: dict[str, Any], elements: list[Any] | None, indent: int | None, escaped: bool
) -> None:
    members.pop("tasks", None)
    whole = members if elements is None else {**members, "tasks": elements}
    found = read(json.dumps(whole, indent=indent, ensure_ascii=escaped))
    assert {name: json.loads(text) for name, text in found.members.items()} == members
    if elements is None:
        assert found.elements is None
    else:
        assert found.elements is not None
        assert [json.loads(text) for text in found.elements] == elements


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "{}x",
        '{"tasks"}',
        '{"tasks":}',
        '{"tasks":[}',
        '{"tasks":[1,]}',
        '{"tasks":[1 2]}',
        '{"tasks":[1]',
        '{"tasks":[1],}',
        '{"a":1 "b":2}',
        "{a:1}",
        '{"tasks":["unended]}',
        '{"tasks":[' + "[" * 100_000 + "]}",
    ],
)
def test_what_is_no_object_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as refusal:
        read(text)
    assert 0 <= refusal.value.pos <= len(text)


def test_numbers_of_any_length_only_have_to_end_somewhere() -> None:
    long = "9" * 10_000
    assert read(f'{{"tasks":[{long}, 1e999, NaN]}}').elements == [long, "1e999", "NaN"]


def test_a_member_that_is_no_array_is_a_member() -> None:
    assert read('{"tasks": {"a": []}}') == Outline({"tasks": '{"a": []}'}, None)


def test_no_more_elements_are_looked_at_than_are_wanted() -> None:
    assert read('{"tasks":[1,2,3]}', most=3).elements == ["1", "2", "3"]
    with pytest.raises(TooManyElements):
        read('{"tasks":[1,2,3,this is not looked at', most=3)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"tasks":["' + "x" * 99 + '"]}', 0),
        ('{"tasks":[1,[' + "1," * 50 + "1]]}", 1),
        ('{"tasks":[1,2,' + "[[]," * 5 + '"not looked at', 2),
        ('{"other":{"a":"' + "x" * 99 + '"}}', None),
    ],
)
def test_a_part_that_is_longer_than_any_is_named(
    text: str, place: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOKENS_AT_A_TIME", 1)
    longest = 10 if "not looked at" in text else 100
    with pytest.raises(TooLong) as refusal:
        read(text, longest=longest)
    assert refusal.value.place == place


def test_what_is_wrong_inside_of_a_part_is_left_to_others() -> None:
    assert read('{"tasks":[{], [1 2], tru, {"a"}]}').elements == ["{]", "[1 2]", "tru", '{"a"}']


async def test_others_go_on_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PIECE_SECONDS", 0.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    busy = asyncio.create_task(others())
    found = await outline(json.dumps({"tasks": [1] * 50}), "tasks", 100, 10)
    busy.cancel()
    assert found.elements == ["1"] * 50
    assert turns >= 50
