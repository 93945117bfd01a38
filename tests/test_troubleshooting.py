"""The troubleshooting page quotes what is really said, and has every class of error."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opuscule import errors

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTES = re.findall(r"^> (.+)$", PAGE, re.M)
HOLE = "\0"
"""Stands in a message for what is only known when it is said."""


def python_messages(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (n.value if isinstance(n, ast.Constant) else HOLE for n in node.values)
            yield "".join(map(str, parts))


def other_messages(source: str) -> Iterator[str]:
    """Strings of Rust and of the shell."""
    for text in re.findall(r'"((?:[^"\\]|\\.)*)"', source, re.S):
        joined = re.sub(r"\\\n\s*", "", text).replace('\\"', '"')
        yield re.sub(r"\{[^{}]*\}|\$\w+", HOLE, joined)


def messages() -> Iterator[str]:
    for folder in ("src", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            yield from python_messages(path.read_text(encoding="utf-8"))
    for path in [*(ROOT / "crates").rglob("*.rs"), *(ROOT / "tools").glob("*.sh")]:
        yield from other_messages(path.read_text(encoding="utf-8"))


def letters(text: str) -> int:
    return sum(letter.isalpha() for letter in text)


def spoken(message: str) -> str:
    """A message with one hole for several that nothing but punctuation parts."""
    return re.sub(rf"{HOLE}(?:\W{{0,2}}{HOLE})+", HOLE, message)


@functools.cache
def long_messages() -> list[tuple[int, str]]:
    """Each with how many letters it has."""
    return [(letters(m), spoken(m)) for m in set(messages()) if letters(m) >= 8]


def is_said(quote: str) -> bool:
    """Whether a message is the quote but for what is filled in, most of it word for word."""
    return any(
        re.fullmatch(".*".join(map(re.escape, message.split(HOLE))), quote, re.S)
        for count, message in long_messages()
        if 0.8 * letters(quote) < count <= letters(quote)
    )


@pytest.mark.parametrize("quote", QUOTES)
def test_what_is_quoted_is_said(quote: str) -> None:
    assert is_said(quote)


def test_that_a_false_quote_is_noticed() -> None:
    assert not is_said("the moon is in the wrong house; wait a week")
    assert not is_said(f"{QUOTES[0]} and stand on one leg meanwhile")
    assert not is_said("bitrate is …; expected a number that is nice to look at")


@pytest.mark.parametrize("name", errors.__all__)
def test_every_class_of_error_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE or f"`{name}`s" in PAGE


def test_every_section_is_in_the_list() -> None:
    sections = re.findall(r"^## (.+)$", PAGE, re.M)
    assert re.findall(r"^- \[(.+)\]\(#", PAGE, re.M) == sections
