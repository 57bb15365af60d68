"""The labs of ``python -m tests.run``: what is deployed on each, and the tests that run against it."""

from __future__ import annotations

from dataclasses import dataclass

# these have rows of their own
_FAULTS = "tests/faults " + " ".join(
    f"--ignore=tests/faults/{what}"
    for what in ("alerts", "calls", "cluster", "doctor", "test_disk_full.py", "test_afterwards.py")
)
# under a call, and that calls are heard after all of it
_UNDER_A_CALL = "tests/faults/test_disk_full.py tests/faults/test_afterwards.py"
_CALL = "tests/online/test_call.py"
# but what another row proves, and with more: tokens and paths over TLS, moved ports and passwords with three hosts
_EACH = "tests/online --ignore=tests/online/test_tokens.py"
_ONLINE = f"{_EACH} --ignore=tests/online/test_batches.py"
_ONE = f"{_EACH} --ignore=tests/online/test_paths.py --ignore=tests/online/test_moved.py"
_TLS = " ".join(f"tests/online/test_{what}.py" for what in ("certificate", "paths", "turn", "relay", "scan", "tokens"))
_ACME = "tests/acme/test_issue.py tests/acme/test_retired.py"
# What depends on the system of a host and not on the site: rows one and trixie have it, for each system once.
_SYSTEM = ("tree", "preflight", "base", "kernel")
_SITE = "tests/host " + " ".join(f"--ignore=tests/host/test_{what}.py" for what in _SYSTEM)


@dataclass(frozen=True)
class Step:
    """What pytest is given, and whether nothing else may run on this machine meanwhile."""

    words: str  # as a shell would split them
    alone: bool = False


_LONG, _SHORT = "-m long", "-m 'not long'"


def _alone(words: str) -> Step:
    """Tests that judge the media of calls, which a busy machine would disturb."""
    return Step(words, alone=True)


@dataclass(frozen=True)
class Row:
    """A lab, the inventory deployed on it, and the tests that then run against it."""

    name: str  # of the lab: seven characters at most
    hosts: int
    release: str = "bookworm"
    inventory: str = "inventories/lab.py"
    first: str = ""  # tests for a lab that nothing was deployed on; they deploy it, and `lab demo` finds it so
    bare: bool = False  # the first of its steps deploys it
    steps: tuple[Step, ...] = ()
    bench: bool = False
    hardened: bool = False  # hosts with umask 027, deployed by a user with sudo
    asked: bool = False  # runs only when it is named: longer than every change can wait for
    vm: bool = False  # virtual machines by Vagrant, not containers
    arch: str = "amd64"  # of virtual machines; emulated where it is not this machine's


_AGENTS = "tests/host/slots/test_agents.py tests/host/slots/test_redispatch.py tests/host/test_lk.py tests/agents"
_ALERTS = "tests/host/metrics tests/host/test_units.py tests/host/test_ports.py tests/host/test_journal.py"
_PROVOKED = "tests/faults/alerts"
_KERNEL = "tests/host/test_kernel.py tests/host/test_units.py tests/host/test_redis.py tests/host/test_idempotence.py"
_AFTERWARDS = "tests/faults/test_afterwards.py"
ROWS = (
    # hardened: a first deploy that is killed, changes and a removal are all in its tests
    Row(
        "one",
        hosts=1,
        first="tests/library",
        steps=(Step("tests/host"), Step(f"{_FAULTS} {_SHORT}"), _alone(_ONE), _alone(_UNDER_A_CALL)),
        bench=True,
        hardened=True,
    ),
    # lk2 and lk3 are alike: row cluster looks at lk2 too
    Row(
        "three",
        hosts=3,
        steps=(Step(f"{_SITE} -k 'not lk2'"), _alone(f"{_ONLINE} --ignore=tests/online/test_old_code.py")),
    ),
    Row(
        "media",
        hosts=1,
        inventory="inventories/lab_media.py",
        steps=(Step(_SITE), _alone(f"tests/media tests/sip {_SHORT}")),
    ),
    Row(
        "tls", hosts=1, inventory="inventories/lab_tls.py", steps=(Step(_SITE), Step(_ACME), _alone(f"{_CALL} {_TLS}"))
    ),
    # Debian 13, and every port and path moved: a row for each would prove no more
    Row(
        "trixie",
        hosts=1,
        release="trixie",
        inventory="inventories/alternative.py",
        steps=(Step("tests/host"), _alone(_CALL)),
    ),
    Row("calls", hosts=1, steps=(_alone(f"tests/faults/calls {_AFTERWARDS}"),), asked=True),
    Row(
        "steps",
        hosts=1,
        steps=(Step("tests/faults/test_fresh_host.py tests/faults/test_killed.py --every-step"), _alone(_AFTERWARDS)),
        hardened=True,
        asked=True,
    ),
    Row("long", hosts=1, steps=(Step(f"{_FAULTS} {_LONG}"), _alone(_AFTERWARDS)), hardened=True, asked=True),
    Row(
        "longmed",
        hosts=1,
        inventory="inventories/lab_media.py",
        steps=(_alone(f"tests/media tests/sip {_LONG}"), _alone(_CALL)),
        asked=True,
    ),
    # Debian's browser and fonts are packages of 300 MB: by name only
    Row(
        "browser",
        hosts=1,
        inventory="inventories/lab_browser.py",
        steps=(Step("tests/host/test_units.py"), _alone(f"tests/browser {_SHORT}")),
        asked=True,
    ),
    Row(
        "longbro",
        hosts=1,
        inventory="inventories/lab_browser.py",
        steps=(_alone(f"tests/browser {_LONG}"),),
        asked=True,
    ),
    Row("cluster", hosts=3, steps=(Step("tests/host"), _alone(f"tests/faults/cluster {_AFTERWARDS}")), asked=True),
    Row("agents", hosts=1, inventory="inventories/lab_agents.py", steps=(_alone(_AGENTS),), asked=True),
    Row(
        "agents3",
        hosts=3,
        inventory="inventories/lab_agents.py",
        steps=(_alone("tests/agents/test_beneath.py tests/agents/cluster"),),
        asked=True,
    ),
    # a host with a web server, a tunnel and a bridge of containers, before its first deploy
    Row(
        "field",
        hosts=1,
        inventory="inventories/lab_field.py",
        bare=True,
        steps=(
            Step("tests/field/test_beside_others.py"),
            _alone("tests/field/test_calls.py"),
            _alone("tests/online/test_paths.py"),
        ),
        asked=True,
    ),
    # what Ubuntu 26.04 has instead, on Debian 13: Valkey, sudo-rs, uutils
    Row(
        "uutils",
        hosts=1,
        release="trixie",
        inventory="inventories/lab_uutils.py",
        bare=True,
        hardened=True,
        steps=(Step("tests/uutils"), Step("tests/host"), _alone(_CALL)),
        asked=True,
    ),
    # an emulated processor where there is no KVM: what a container can show too is left to the rows of containers
    Row(
        "vm",
        hosts=1,
        inventory="inventories/vagrant.py",
        vm=True,
        # `make vm` is to end within 40 minutes without KVM: what a kernel of its own adds nothing to is row long's, and
        # what installs and reboots row vmlong's
        steps=(
            _alone(_CALL),
            Step(f"{_KERNEL} tests/host/test_firewall.py tests/host/test_ports.py"),
            Step(f"tests/faults/test_lockout.py {_SHORT}"),
            _alone("tests/vm --ignore=tests/vm/test_change.py --ignore=tests/vm/test_patch.py"),
        ),
        asked=True,
    ),
    Row(
        "vmlong",
        hosts=1,
        inventory="inventories/vagrant.py",
        vm=True,
        steps=(_alone("tests/vm/test_change.py tests/vm/test_patch.py"),),
        asked=True,
    ),
    Row(
        "vmarm",
        hosts=1,
        inventory="inventories/vagrant.py",
        vm=True,
        arch="arm64",
        steps=(_alone(_CALL), Step(_KERNEL)),
        asked=True,
    ),
    Row(
        "vm3",
        hosts=3,
        inventory="inventories/vagrant.py",
        vm=True,
        steps=(_alone(_CALL), Step(_KERNEL)),
        asked=True,
    ),
    Row("alerts", hosts=1, inventory="inventories/lab_alerts.py", steps=(Step(_ALERTS), Step(_PROVOKED)), asked=True),
    Row(
        "watch",
        hosts=1,
        inventory="inventories/lab_everything.py",
        steps=(Step("tests/host/slots/test_redispatch.py"), Step("tests/watch")),
        asked=True,
    ),
    Row("patch", hosts=3, steps=(_alone("tests/patch"), _alone(_AFTERWARDS)), asked=True),
    Row(
        "waves",
        hosts=10,
        inventory="inventories/lab_waves.py",
        first="tests/waves/test_first.py",
        steps=(_alone("tests/waves --ignore=tests/waves/test_first.py"), _alone(_AFTERWARDS)),
        asked=True,
    ),
    Row("acme", hosts=3, inventory="inventories/lab_tls.py", steps=(_alone("tests/acme"),), asked=True),
    Row("proxies", hosts=1, steps=(_alone("tests/proxies"),), asked=True),
    Row("udp443", hosts=1, inventory="inventories/lab_udp443.py", steps=(_alone("tests/udp443"),), asked=True),
    Row(
        "doctor",
        hosts=2,
        inventory="inventories/lab_doctor.py",
        steps=(_alone(f"tests/faults/doctor {_AFTERWARDS}"),),
        asked=True,
    ),
)
