"""Names, addresses and texts of a lab, read back by what reads them in earnest where that runs anywhere."""

from __future__ import annotations

import configparser
import json
from ipaddress import IPv4Network
from pathlib import Path

import paramiko
import pytest

from lab import files
from lab.places import MOST_HOSTS, Lab, gateway, host_address, host_names, outside_address
from lab.run import LabError

NETWORK = IPv4Network("10.90.7.0/24")
KEYS = {
    "lk1": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKtKXEfo2H4yQ9KBdVBkYZ6vHYwZqSt8vRfVYcOYzUQ1 root@lk1\n",
    "lk2": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBNjYm9uZXMgYXJlIGxhYmVsbGVkIGhlcmUgMDAwMDE2 root@lk2\n",
}
ADDRESSES = {host: host_address(NETWORK, host) for host in KEYS}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab("lab", tmp_path / "a checkout")


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "lab-2", "eightcha", "../x", "lab\n"])
def test_a_name_no_interface_could_carry(name: str) -> None:
    with pytest.raises(LabError, match="a lab's name has 1-7 of a-z and 0-9 and starts with a letter; choose another"):
        Lab(name)


def test_every_interface_name_fits() -> None:
    lab = Lab("sevench")
    names = [lab.bridge, lab.new_bridge, lab.outside_link, *(lab.link(host) for host in host_names(MOST_HOSTS))]
    assert max(map(len, names)) <= 15
    assert len(set(names)) == len(names)


def test_each_lab_has_a_directory_of_its_own(tmp_path: Path) -> None:
    assert Lab("lab", tmp_path).dir == tmp_path / ".lab"
    assert Lab("other", tmp_path).dir == tmp_path / ".lab-other"


def test_no_address_is_given_twice() -> None:
    hosts = [host_address(NETWORK, host) for host in host_names(MOST_HOSTS)]
    addresses = [gateway(NETWORK), outside_address(NETWORK), *hosts]
    assert len(set(addresses)) == MOST_HOSTS + 2
    assert all(address in NETWORK for address in addresses)
    assert NETWORK.broadcast_address not in addresses


@pytest.mark.parametrize("count", [0, -1, 100])
def test_a_number_of_hosts_that_cannot_be(count: int) -> None:
    with pytest.raises(LabError, match=f"^--hosts: is {count}; choose 1 to 99$"):
        host_names(count)


def test_facts_are_plain(lab: Lab) -> None:
    assert json.loads(files.facts(lab, "trixie", NETWORK, KEYS)) == {
        "name": "lab",
        "release": "trixie",
        "hardened": False,
        "login": "root",
        "network": "10.90.7.0/24",
        "gateway": "10.90.7.1",
        "hosts": {
            "lk1": {"address": "10.90.7.11", "ipv6": "fd90:6c6b:6d00:7::b"},
            "lk2": {"address": "10.90.7.12", "ipv6": "fd90:6c6b:6d00:7::c"},
        },
        "outside": {"namespace": "lkm-lab", "address": "10.90.7.250"},
    }


def test_an_ssh_client_finds_host_key_and_known_hosts(lab: Lab) -> None:
    config = paramiko.SSHConfig.from_text(files.ssh_config(lab, ADDRESSES)).lookup("lk2")
    assert config["hostname"] == "10.90.7.12"
    assert config["user"] == "root"
    assert config["identityfile"] == [str(lab.dir / "id_ed25519")]
    assert config["userknownhostsfile"].strip('"') == str(lab.dir / "known_hosts")
    assert config["stricthostkeychecking"] == "yes"


def test_host_keys_are_known_by_name_and_address(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_text(files.known_hosts(ADDRESSES, KEYS))
    known = paramiko.HostKeys(str(tmp_path / "known_hosts"))
    for host, text in KEYS.items():
        for name in (host, str(ADDRESSES[host])):
            found = known.lookup(name)
            assert found is not None
            assert found["ssh-ed25519"].get_base64() == text.split()[1]


def test_a_host_has_its_address_and_the_gateway() -> None:
    unit = configparser.ConfigParser()
    unit.read_string(files.networkd(NETWORK, ADDRESSES["lk1"]))
    assert unit["Match"]["Name"] == "host0"
    assert unit["Network"]["Address"] == "10.90.7.11/24"
    assert unit["Network"]["Gateway"] == "10.90.7.1"
    assert unit["Address"]["Address"] == "fd90:6c6b:6d00:7::b/64"


def test_the_table_carries_the_mark(lab: Lab) -> None:
    text = files.nat_table(lab, NETWORK)
    assert f'comment "{lab.mark}"' in text
    assert 'ip saddr 10.90.7.0/24 oifname != "lkm-lab" masquerade' in text


def test_columns() -> None:
    assert files.table_of([("host", "state"), ("lk10", "up"), ("b", "down")]) == "host  state\nlk10  up\nb     down"
