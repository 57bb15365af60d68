"""A host that does more (H1 to H4): its first deploy, over a tunnel that ends on it, and what comes after."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from lab.demo import write_access
from lab.places import Lab
from lab.run import wait_until
from livekit_metal.site.inventory import read as inventory_of
from tests.field.conftest import FAR, TUNNEL, WEB, Field, Inventory
from tests.support.hosts.deploys import deploy
from tests.support.hosts.lab import INVENTORY, ROOT

TABLE = "inet livekit_metal"
KEPT = re.compile(r"keep it by (\{.*?\}) in firewall\.open, or give it up by \"(.*?)\" in firewall\.closed")
OPEN: list[dict[str, Any]] = []  # what the first deploy printed
REST: dict[str, Any] = {"closed": ["7777/udp"], "trusted": ["br-field"]}


def rules(field: Field) -> str:
    return field.on_host(f"nft -s list table {TABLE} 2>/dev/null", check=False)


def test_the_first_deploy_names_whom_it_would_close(field: Field, inventory: Inventory) -> None:
    assert field.logs_in()
    told = field.deploy(inventory({}))
    assert told.status > 0
    found = {match[2]: ast.literal_eval(match[1]) for match in KEPT.finditer(told.text)}
    assert set(found) == {"80/tcp", "443/tcp", "8443/tcp", "51820/udp", "53/udp", "5353/tcp", "7777/udp"}
    for what, program in {"8443/tcp": "nginx", "51820/udp": "wireguard-go", "53/udp": "python3"}.items():
        assert re.search(rf"{program} \(process \d+\) listens on {what}, which would be closed", told.text)
    assert rules(field) == ""
    assert field.on_host("ls /etc/livekit-metal 2>/dev/null", check=False) == ""
    OPEN.extend(found[what] for what in ("80/tcp", "443/tcp", "8443/tcp", "51820/udp"))


def test_the_tunnel_that_the_operator_comes_by_cannot_be_given_up(field: Field, inventory: Inventory) -> None:
    closed = [*REST["closed"], "51820/udp"]
    told = field.deploy(inventory({**REST, "open": OPEN[:3], "closed": closed}))
    told.refused("you come in by wg0 (tun), a tunnel that ends on this host at 51820/udp (wireguard-go)", str(OPEN[3]))
    assert rules(field) == ""


def test_an_interface_that_is_not_there_is_refused(field: Field, inventory: Inventory) -> None:
    told = field.deploy(inventory({**REST, "open": OPEN, "trusted": ["br-field", "br-other"]}))
    told.refused("there is no interface br-other", "wg0")


def test_a_login_that_rides_on_the_tunnel_that_is_there_confirms_nothing(field: Field, inventory: Inventory) -> None:
    """The port is open, but not to where the operator is: the tunnel would go on until its next handshake."""
    elsewhere = [*OPEN[:3], {**OPEN[3], "networks": ["192.0.2.0/24"]}]
    told = field.deploy(inventory({**REST, "open": elsewhere}))
    assert told.status > 0, told.text
    told.refused("no new SSH connection", "by wg0 (tun): what carries it was judged as new")
    assert wait_until(field.logs_in, 30), "the rules are gone again"
    assert rules(field) == ""
    assert "livekit_metal" not in field.on_host("nft list tables")


def test_with_the_lines_that_it_printed_it_deploys(field: Field, inventory: Inventory) -> None:
    told = field.deploy(inventory({**REST, "open": OPEN}))
    assert told.status == 0, told.text
    assert "policy drop" in rules(field)
    assert field.on_host("nft list tables | grep -c fresh", check=False) == "0"


@pytest.mark.parametrize("port", WEB)
def test_the_web_server_answers_strangers_as_before(field: Field, port: int) -> None:
    assert field.get(port) == "theirs"


def test_a_tunnel_that_is_new_leads_in_and_nothing_else_does(field: Field) -> None:
    field.on_host("ss -K dst 10.99.0.2 >/dev/null", check=False)
    field.come()
    assert wait_until(field.logs_in, 10)
    direct = ["ssh", "-F", f"{field.directory}/ssh_config", "-o", "ConnectTimeout=3", "-o", "ControlPath=none"]
    assert field.within(*direct, field.host, "true").returncode != 0


def test_containers_reach_the_host_and_strangers_do_not_reach_what_is_theirs(field: Field) -> None:
    assert field.get(8443, "10.77.0.1", within="box") == "theirs"
    knock = "import socket; socket.create_connection(('10.77.0.1', 5353), 3)"
    field.on_host(f'ip netns exec box python3 -c "{knock}"')
    field.within("ip", "route", "replace", "10.77.0.0/24", "via", field.address)
    assert field.within("python3", "-c", knock).returncode != 0


def test_a_second_deploy_changes_nothing(field: Field, inventory: Inventory) -> None:
    before = rules(field)
    told = field.deploy(inventory({**REST, "open": OPEN}))
    assert told.status == 0, told.text
    assert "firewall: load" not in told.text
    assert rules(field) == before


def test_what_rules_in_force_let_in_is_not_closed_unasked_either(field: Field, inventory: Inventory) -> None:
    told = field.deploy(inventory({**REST, "open": [OPEN[0], OPEN[1], OPEN[3]]}))
    told.refused("listens on 8443/tcp, which would be closed", str(OPEN[2]))
    assert field.get(8443) == "theirs"


def test_what_is_new_there_is_named_and_stops_nothing(field: Field, inventory: Inventory) -> None:
    serve = "import socket, signal; s = socket.create_server(('', 8765)); signal.pause()"
    field.on_host(f'systemd-run -q --unit=new python3 -c "{serve}"')
    try:
        told = field.deploy(inventory({**REST, "open": OPEN}))
        assert told.status == 0, told.text
        assert re.search(r"python3 \(process \d+\) listens on 8765/tcp, which is closed to others", told.text)
    finally:
        field.on_host("systemctl stop new")


def test_a_jump_by_the_host_itself_is_judged_as_new_too(field: Field, inventory: Inventory) -> None:
    """ssh -L through the host: its end is there already, and SSH from it comes by loopback."""
    control = ["-F", str(field.directory / "tunnel.config"), "-S", str(field.directory / "jump")]
    words = [*control, "-M", "-N", "-f", "-L", f"10.98.0.1:22:{FAR}:22"]
    field.within("ip", "addr", "add", "10.98.0.1/32", "dev", "lo")
    done = field.within("sh", "-c", f"ssh {' '.join(words)} {field.address} >/dev/null 2>&1")
    assert done.returncode == 0
    known = (field.directory / "tunnel.known").read_text().split(" ", 1)[1]
    (field.directory / "jump.known").write_text(f"10.98.0.1 {known}")
    config = (field.directory / "tunnel.config").read_text().replace(FAR, "10.98.0.1")
    (field.directory / "jump.config").write_text(config.replace("tunnel.known", "jump.known"))
    path = inventory({**REST, "open": OPEN, "admin": [f"{FAR}/32"], "log": False})
    text = path.read_text().replace("tunnel.config", "jump.config").replace("tunnel.known", "jump.known")
    path.write_text(text)
    before = rules(field)
    told = field.deploy(path)
    told.refused("no new SSH connection", "by the host itself: what carries it was judged as new")
    assert wait_until(lambda: rules(field) == before, 30)
    assert wait_until(field.logs_in, 10)
    field.within("ssh", *control, "-O", "exit", field.address)


def test_with_mode_none_nothing_is_filtered_and_it_says_so(field: Field, inventory: Inventory) -> None:
    none = inventory({"mode": "none"})
    told = field.deploy(none)
    assert told.status == 0, told.text
    assert "nothing that comes in is filtered here (firewall.mode is none)" in told.text
    assert "hook input" not in rules(field)
    assert "hook output" in rules(field), "where relays lead is kept"
    listed = field.deploy(none, "--data", "json=yes", plan="procedures/doctor.py").text
    assert "nothing that comes in is filtered here" in listed
    assert '"check": "closed"' in listed, "what must be closed is tried all the same"
    serve = "import socket, signal; s = socket.create_server(('', 8765)); signal.pause()"
    field.on_host(f'systemd-run -q --unit=new python3 -c "{serve}"')
    try:
        told = field.deploy(inventory({**REST, "open": OPEN}))
        told.refused("listens on 8765/tcp, which would be closed")
    finally:
        field.on_host("systemctl stop new")


def test_the_sites_own_rules_are_back_for_the_calls(field: Field) -> None:
    told = deploy(INVENTORY)
    assert told.status == 0, told.text
    assert TUNNEL in rules(field)
    write_access(Lab(field.name), inventory_of(ROOT / INVENTORY))
