"""Words that a colleague would not use do not come back: in names, in what operators read, in documents.

docs/style.md says which words to use. A word is here because it was in use and meant several things, or was no English.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
OURS = ("bench/", "docs/", "lab/", "livekit_metal/", "procedures/", "roles/", "tests/")
CODE = [f for f in FILES if f.endswith(".py") and f.startswith(OURS)]
DOCUMENTS = [f for f in FILES if f.endswith(".md") and not f.startswith("tests/golden/")]

# Names of classes, functions, constants and modules.
NAMES = {
    "ALONE": "ISOLATED_SUFFIX",
    "AWAITED": "CLIENT_SOURCE_ADDRESS",
    "Component": "SlottedRole",
    "Daemon": "SlottedDaemon",
    "Diary": "EventLog",
    "Failed": "HostError",
    "Later": "DeferredTask",
    "Needs": "StateQuery",
    "Part": "Task",
    "Stack": "HostStack",
    "Todo": "Plan",
    "Unread": "Unreachable",
    "blame": "root_cause",
    "formerly": "forwarder",
    "jump": "upgrade_guard",
    "lazy": "nothing: import what is needed",
    "neighbours": "wiring",
    "phones": "sip",
    "runner_pack": "bundle",
    "through_active": "call_active_slot",
    "vaultkey": "vault.key",
    "wholefile": "atomic_file",
}
# Where one of them stands for something else, or has yet to go: the name, and where.
NAMES_LEFT = {
    "phones": "tests/conftest.py",  # a site with phone calls
}
# What is said, in messages, docstrings and documents: a regular expression, and what to write.
WORDS = {
    r"\banew\b": "again",
    r"\bof before\b": "previous, earlier",
    r"\bas wanted\b": "up to date",
    r"\b(come|came) true\b": "timed out waiting for",
}
# Of messages alone.
MESSAGES = {
    r"(?<!there )\bis no(?= (file|name|number|host|network|slot|URL|JSON|text|trunk|lab)\b)": "is not a",
}
MESSAGES_LEFT = {"roles/sip/settings.py"}


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse((ROOT / name).read_text()) for name in CODE if (ROOT / name).is_file()}


def defined(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The names that a module gives: line and name."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.name
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        yield from ((statement.lineno, target.id) for target in targets if isinstance(target, ast.Name))


def texts(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Every text of a module: line, text, and whether it is a docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body]
    docstrings = {id(each.value) for each in first if isinstance(each, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value, id(node) in docstrings


def test_no_name_is_one_of_those(trees: dict[str, ast.Module]) -> None:
    found = [(name, line, word) for name, tree in trees.items() for line, word in defined(tree)]
    found += [(name, 1, Path(name).stem) for name in trees]
    bad = [
        f"{name}:{line}: {word}; write {NAMES[word]}"
        for name, line, word in found
        if word in NAMES and NAMES_LEFT.get(word) != name
    ]
    assert bad == []


def test_no_message_and_no_docstring_says_so(trees: dict[str, ast.Module]) -> None:
    bad = []
    for name, tree in trees.items():
        if name == "tests/unit/tools/test_words.py":
            continue
        for line, text, documents in texts(tree):
            wrong = WORDS if documents or name in MESSAGES_LEFT or name.startswith("tests/") else WORDS | MESSAGES
            bad += [
                f"{name}:{line}: {m[0]}; write {better}" for w, better in wrong.items() for m in re.finditer(w, text)
            ]
    assert bad == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_says_so(name: str) -> None:
    text = (ROOT / name).read_text()
    assert [f"{m[0]}; write {better}" for word, better in WORDS.items() for m in re.finditer(word, text)] == []


def test_what_is_left_is_still_there(trees: dict[str, ast.Module]) -> None:
    """An exception goes with what it was for."""
    for word, name in NAMES_LEFT.items():
        assert word in {each for _, each in defined(trees[name])}, f"{word} is gone from {name}: strike it off here"
