"""How much memory a daemon may take."""

from __future__ import annotations

import pytest

from livekit_metal.core.types.memory import Memory


@pytest.mark.parametrize("written", ["75%", "10%", "100%", "256M", "4G", "64G"])
def test_what_an_inventory_may_write(written: str) -> None:
    assert f"{Memory.parse(written)}" == written


@pytest.mark.parametrize("written", ["", "4", 4, "4GB", "0.5G", "-1G", "infinity", "4G ", "4G\n", None, True])
def test_anything_else_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"; write a share of the host's memory \('75%'\)"):
        Memory.parse(written)


@pytest.mark.parametrize(("written", "remedy"), [("9%", "10% to 100%"), ("101%", "10% to 100%"), ("255M", "256M")])
def test_too_little_and_too_much_are_refused(written: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=f"is {written}; give it {remedy}"):
        Memory.parse(written)
