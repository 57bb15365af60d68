"""What egress and ingress may not reach, tried in a network namespace of the test's own."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Callable

import pytest

from livekit_metal.roles.egress.storage import S3, Storage
from livekit_metal.roles.egress.tasks import Egress
from livekit_metal.roles.ingress.tasks import Ingress
from livekit_metal.runtime.host.output_filter import Output
from livekit_metal.site.model import Site
from tests.support.values.sites import carrying

# $1: the rules. For each address and port: who gets a connection, root and the user that the rules are about.
_TRY = r"""
ip link set lo up
for a in 169.254.169.254 100.100.100.200 198.51.100.7; do ip addr add $a/32 dev lo; done
ip addr add fd00:ec2::254/128 dev lo nodad
printf '%s\n' "$1" | nft -f -
exec python3 - <<'END'
import encodings.idna, os, socket
def get(address, port, uid):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family):
        child = os.fork()
        if not child:
            os.setuid(uid)
            try:
                socket.create_connection((address, port), timeout=2)
            except OSError:
                os._exit(1)
            os._exit(0)
        return "no" if os.waitpid(child, 0)[1] else "yes"
for address in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "198.51.100.7"):
    for port in (80, 53, 6379):
        print(address, port, get(address, port, 0), get(address, port, 65534))
END
"""


@pytest.fixture
def attempts(program: Callable[[str, str], str]) -> Callable[[Output], dict[str, str]]:
    program("nft", "nftables")
    if os.geteuid() or subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this needs root and a network namespace")

    def run(output: Output) -> dict[str, str]:
        words = ["unshare", "-n", "sh", "-euc", _TRY, "sh", output.file("/x").text]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return {" ".join(line.split()[:2]): line.split(None, 2)[2] for line in done.stdout.splitlines()}

    return run


def test_metadata_services_get_nothing_and_names_are_resolved(attempts: Callable[[Output], dict[str, str]]) -> None:
    said = attempts(Output(user="nobody", redis="100.100.100.200:6379"))
    reached = {where for where, who in said.items() if who == "yes yes"}
    assert {where for where, who in said.items() if who == "yes no"} == {
        "169.254.169.254 80",
        "169.254.169.254 6379",
        "100.100.100.200 80",
        "fd00:ec2::254 80",
        "fd00:ec2::254 6379",
    }, said
    assert "100.100.100.200 6379" in reached, "what the site has an address for stays reachable"
    assert len(said) == len(reached) + 5, "nobody else notices"


def test_a_store_by_the_machine_s_own_keys_takes_the_rules_away(attempts: Callable[[Output], dict[str, str]]) -> None:
    assert set(attempts(Output(user="nobody", closed=False)).values()) == {"yes yes"}


@pytest.mark.parametrize(("key", "closed"), [("AK", True), ("", False)])
def test_egress_loads_them_before_it_starts(single: Site, key: str, closed: bool) -> None:
    egress = dataclasses.replace(
        carrying(single, "egress").for_host("lk1").egress, storage=Storage(s3=S3(bucket="b", access_key=key))
    )
    generation, files = Egress(egress).generation("/opt/x")
    texts = {file.path: file.text for file in files}
    rules = f"{generation.directory}/output.nft"
    assert ('meta skuid "livekit-egress"' in texts[rules]) is closed
    unit = texts[f"{generation.directory}/slot-{egress.slots[0]}.conf"]
    assert f"ExecStartPre=+/usr/sbin/nft -f {rules}\n" in unit


def test_ingress_loads_them_before_it_starts(streaming_site: Site) -> None:
    ingress = streaming_site.for_host("lk1").ingress
    assert ingress
    generation, files = Ingress(ingress).generation("/opt/x")
    texts = {file.path: file.text for file in files}
    rules = f"{generation.directory}/output.nft"
    assert 'meta skuid "livekit-ingress"' in texts[rules]
    assert f"ExecStartPre=+/usr/sbin/nft -f {rules}\n" in texts[f"{generation.directory}/slot-{ingress.slots[0]}.conf"]
