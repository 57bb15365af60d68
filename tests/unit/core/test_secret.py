"""A secret is never seen."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import jinja2
import pytest

from livekit_metal.core.types.secret import Secret

VALUE = "correct-horse-battery-staple-4711"


@dataclasses.dataclass
class Holder:
    password: Secret


def through_logging(secret: Secret) -> str:
    return logging.LogRecord("n", 0, "f", 0, "got %s and %r", (secret, secret), None).getMessage()


def through_traceback(secret: Secret) -> str:
    try:
        raise ValueError(secret, Holder(secret))
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


SIGHTS: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "f-string": lambda s: f"{s} {s!r} {s:>40}",
    "format": "{0} {0!s} {0:.20}".format,
    "percent": lambda s: f"{'%s'}" % s,
    "list": lambda s: str([s, {"k": s}]),
    "dataclass": lambda s: repr(Holder(s)),
    "asdict": lambda s: repr(dataclasses.asdict(Holder(s))),
    "to_json": Secret.to_json,
    "json with a default": lambda s: json.dumps({"k": s}, default=lambda o: o.to_json()),
    "template": lambda s: jinja2.Template("{{ x }} {{ x | string }}", autoescape=True).render(x=s),
    "logging": through_logging,
    "traceback": through_traceback,
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_a_secret_prints_redacted(sight: str) -> None:
    seen = SIGHTS[sight](Secret("redis.password", VALUE))
    assert VALUE not in seen
    assert "Secret(redis.password)" in seen


@pytest.mark.parametrize("dump", [json.dumps, pickle.dumps])
def test_a_secret_is_not_serialised(dump: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        dump({"k": Secret("redis.password", VALUE)})
    assert VALUE not in str(caught.value)


def test_a_secret_is_revealed_on_request_only() -> None:
    secret = Secret("redis.password", VALUE)
    assert jinja2.Template("{{ x.reveal() }}").render(x=secret) == VALUE
    assert copy.deepcopy(secret).reveal() == VALUE
    assert not hasattr(secret, "__dict__")
    with pytest.raises(AttributeError):
        secret.label = "other"


def test_secrets_are_compared_by_label_and_value() -> None:
    one = Secret("a", VALUE)
    assert one == Secret("a", VALUE)
    assert one != Secret("a", VALUE + "x")
    assert one != Secret("b", VALUE)
    assert one != VALUE
    assert hash(one) == hash(Secret("a", "another"))
