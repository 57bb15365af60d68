"""The slots of livekit-sip as a host sees them."""

from __future__ import annotations

import time

from testinfra.host import Host

ENDS = 40.0  # s for a slot to end when its last call has: it looks every 5 s


def serving(host: Host) -> str:
    """The unit of the one slot that runs and does not drain."""
    said = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-sip@*'").splitlines()
    assert len(said) == 1, said
    return str(said[0].split()[0])


def shown(host: Host, unit: str, what: str) -> str:
    return str(host.check_output(f"systemctl show -p {what} --value {unit}"))


def ended(host: Host, unit: str, within: float = ENDS) -> None:
    """Wait until a slot that drains has ended, by itself."""
    end = time.monotonic() + within
    while (state := shown(host, unit, "ActiveState")) == "deactivating":
        assert time.monotonic() < end, f"{unit} has not ended {within:.0f} s after its last call"
        time.sleep(0.3)
    assert (state, shown(host, unit, "Result")) == ("inactive", "success")
    assert host.run(f"find /run/systemd/system/{unit}.d -type f").stdout == "", "what a drain needs goes with it"
    assert "livekit-finish-sip" not in host.check_output("systemctl list-timers --all --plain --no-legend")
    assert "finish_sip" not in host.check_output("nft list tables")
