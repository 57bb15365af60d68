"""Virtual machines of a lab, as far as no machine is needed: names, what Vagrant and libvirt are given, the box."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from lab import verbs
from lab.machine import Machine
from lab.places import Lab
from lab.run import LabError
from lab.vm import box, daemons, places, vagrant
from lab.vm import verbs as virtual
from lab.vm.machine import VirtualMachine

NETWORK = IPv4Network("10.90.7.0/24")
FACTS = {
    "vm": True,
    "arch": "amd64",
    "box": "bookworm-1-vm-2",
    "network": str(NETWORK),
    "release": "bookworm",
    "hosts": {"lk1": {"address": "10.90.7.11"}, "lk2": {"address": "10.90.7.12"}},
}
# Says what a Vagrantfile sets on libvirt's provider.
STUB = r"""
require "json"
class Settings
  def initialize; @seen = {}; end
  def method_missing(name, value = nil, &block)
    return block.call(self) if block
    return self unless name.end_with?("=")
    @seen[name.to_s.chomp("=")] = value
  end
  def respond_to_missing?(*_) = true
  def seen = @seen
end
module Vagrant
  def self.configure(version); s = Settings.new; yield s; puts JSON.generate(s.seen); end
end
load ARGV[0]
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    found = Lab("vm", tmp_path)
    found.dir.mkdir()
    return found


@pytest.fixture
def made(lab: Lab) -> Lab:
    (lab.dir / "lab.json").write_text(json.dumps(FACTS))
    return lab


def seen_by_ruby(text: str, tmp_path: Path) -> dict[str, object]:
    assert shutil.which("ruby"), "ruby is missing; install it (apt-get install ruby) or run `make tools`"
    file = tmp_path / "Vagrantfile"
    file.write_text(text)
    done = subprocess.run(["ruby", "-w", "-", file], input=STUB, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_without_kvm_the_processor_is_emulated_and_new_enough_for_numpy(lab: Lab, tmp_path: Path) -> None:
    found = seen_by_ruby(vagrant.home_vagrantfile(lab, NETWORK, "amd64", kvm=False), tmp_path)
    assert (found["driver"], found["cpu_model"]) == ("qemu", "Westmere")


def test_a_machine_of_arm64_boots_by_firmware_and_has_nothing_of_a_pc(lab: Lab, tmp_path: Path) -> None:
    found = seen_by_ruby(vagrant.home_vagrantfile(lab, NETWORK, "arm64", kvm=False), tmp_path)
    assert (found["machine_arch"], found["machine_type"], found["cpu_model"]) == ("aarch64", "virt", "cortex-a72")
    assert found["loader"] == places.FIRMWARE
    assert found["features"] == []


def test_with_kvm_the_processor_is_this_machines(lab: Lab, tmp_path: Path) -> None:
    found = seen_by_ruby(vagrant.home_vagrantfile(lab, NETWORK, "amd64", kvm=True), tmp_path)
    assert (found["driver"], found["cpu_mode"]) == ("kvm", "host-passthrough")
    assert "cpu_model" not in found, "libvirt refuses one beside it"


def test_everything_in_libvirt_has_the_labs_name_and_no_other_labs(lab: Lab, tmp_path: Path) -> None:
    found = seen_by_ruby(vagrant.home_vagrantfile(lab, NETWORK, "amd64", kvm=False), tmp_path)
    names = [found["default_prefix"], found["storage_pool_name"], found["management_network_name"]]
    names += [
        ET.fromstring(text).findtext("name") for text in (vagrant.pool_xml(lab), vagrant.network_xml(lab, NETWORK))
    ]
    assert all(str(name).startswith(places.prefix(lab)) for name in names)
    other = Lab("vm3", tmp_path)
    assert not any(str(name).startswith(places.prefix(other)) for name in names)


def test_the_hosts_network_is_on_the_labs_bridge_and_leads_nowhere_else(lab: Lab) -> None:
    network = ET.fromstring(vagrant.network_xml(lab, NETWORK))
    assert network.find("forward") is None
    bridge, address = network.find("bridge"), network.find("ip")
    assert bridge is not None
    assert address is not None
    assert bridge.get("name") == lab.bridge
    assert address.get("address") == "10.90.7.1"
    assert not places.management_addresses(NETWORK).overlaps(IPv4Network("10.90.0.0/16"))


def test_vagrant_and_the_inventory_are_told_what_the_lab_is(made: Lab) -> None:
    told = places.environment(made)
    assert (told["VM_COUNT"], told["VM_NETWORK"], told["VM_BOX"]) == ("2", "10.90.7", "bookworm-1-vm-2")
    for name in ("VAGRANT_HOME", "VAGRANT_DOTFILE_PATH"):
        assert Path(told[name]).is_relative_to(made.dir), "nobody else's machines and boxes are touched"


def test_what_went_into_a_box_names_it() -> None:
    assert box.box_id("bookworm-1", "recipe", "disk") == box.box_id("bookworm-1", "recipe", "disk")
    names = {box.box_id("bookworm-1", "recipe", "disk"), box.box_id("bookworm-1", "recipe2", "disk")}
    names |= {box.box_id("bookworm-2", "recipe", "disk"), box.box_id("bookworm-1", "reciped", "isk")}
    assert len(names) == 4
    assert json.loads(box.metadata())["provider"] == "libvirt"


@pytest.mark.parametrize(("vm", "kind"), [(True, VirtualMachine), (False, Machine)])
def test_a_host_is_what_its_lab_says(made: Lab, vm: bool, kind: type) -> None:
    (made.dir / "lab.json").write_text(json.dumps(FACTS | {"vm": vm}))
    assert type(verbs.machine(made, "lk1")) is kind


def test_containers_do_not_become_machines(lab: Lab) -> None:
    with pytest.raises(LabError, match="vm: its hosts are no virtual machines; run 'make lab-down' first"):
        verbs._settle_vm(lab, {"hosts": {}, "release": "bookworm"})


def test_machines_keep_their_architecture(lab: Lab) -> None:
    with pytest.raises(LabError, match="vm: its machines are amd64, not arm64; run 'make lab-down' first"):
        verbs._settle_arch(lab, FACTS, "arm64")
    assert verbs._settle_arch(lab, FACTS, None) == "amd64"
    assert verbs._settle_arch(lab, None, "arm64") == "arm64"


def test_a_host_without_a_key_of_vagrants_is_said(made: Lab) -> None:
    with pytest.raises(LabError, match=r"lk1: Vagrant has made no key for it; see .*vagrant\.log"):
        virtual._let_in(VirtualMachine(made, "lk1", "10.90.7.11"), "ssh-ed25519 AAAA")


def test_what_is_put_on_a_host_is_roots(tmp_path: Path) -> None:
    (tmp_path / "root/.ssh").mkdir(parents=True)
    (tmp_path / "root/.ssh/authorized_keys").write_text("key\n")
    with tarfile.open(fileobj=io.BytesIO(virtual._packed(tmp_path))) as archive:
        found = {entry.name: (entry.uid, entry.mode & 0o777) for entry in archive}
    assert found["root/.ssh"] == (0, 0o700)
    assert all(uid == 0 for uid, _ in found.values())


LEFT = """table ip filter {
	chain LIBVIRT_INP {
	}

	chain INPUT {
		type filter hook input priority filter; policy accept;
		counter packets 20 bytes 16 jump LIBVIRT_INP
	}
}
"""


@pytest.mark.parametrize(
    ("listing", "alone"),
    [
        (LEFT, True),
        (LEFT.replace("policy accept", "policy drop"), False),
        (LEFT.replace("LIBVIRT_INP\n", "DOCKER-USER\n"), False),
        (LEFT.replace("INP {\n", 'INP {\n\t\tiifname "virbr0" udp dport 53 accept\n'), False),
        ("table ip filter {\n\tchain INPUT {\n\t}\n}\n", False),
    ],
    ids=["libvirt's", "drops", "jumps elsewhere", "in use", "somebody's"],
)
def test_a_table_is_removed_only_where_nothing_but_libvirts_empty_chains_is_in_it(listing: str, alone: bool) -> None:
    assert daemons.only_libvirts(listing) is alone


def test_a_machine_without_power_needs_libvirt_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lab's next word is to start it."""
    monkeypatch.setattr(daemons, "_LOCK", tmp_path / "lock")
    monkeypatch.setattr(daemons, "_pid", lambda _: 1)
    monkeypatch.setattr(daemons, "_answers", lambda: True)
    monkeypatch.setattr(daemons, "run", lambda *words: "other-lk1\n" if "--all" in words else "\n")
    monkeypatch.setattr(daemons.os, "kill", lambda *_: pytest.fail("libvirtd was ended"))
    daemons.stop()
    assert "libvirtd has other machines" in "".join(capsys.readouterr())
