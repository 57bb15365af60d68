"""The Vagrantfile, read by Ruby with a stand-in for Vagrant's own vocabulary; machines are proved in a later issue."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from livekit_metal.site import inventory

ROOT = Path(__file__).parents[3]
# Records what a Vagrantfile asks for; every other call goes nowhere.
STUB = r"""
require "json"
class Anything
  def method_missing(*_) = self
  def respond_to_missing?(*_) = true
end
class Machine < Anything
  attr_reader :seen
  def initialize; @seen = {}; end
  def vm = self
  def hostname=(name); @seen["hostname"] = name; end
  def network(kind, ip:); @seen["ip"] = ip; end
end
class Config < Anything
  attr_reader :machines
  def initialize; @machines = {}; end
  def vm = self
  def box=(name); end
  def define(name); m = Machine.new; yield m; @machines[name] = m.seen; end
  def provider(name); yield Anything.new; end
end
module Vagrant
  def self.configure(version); c = Config.new; yield c; puts JSON.generate(c.machines); end
end
load ARGV[0]
"""


def machines(**environment: str) -> dict[str, dict[str, str]]:
    assert shutil.which("ruby"), "ruby is missing; install it (apt-get install ruby) or run `make tools`"
    command = ["ruby", "-w", "-", str(ROOT / "Vagrantfile")]
    done = subprocess.run(
        command, input=STUB, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def test_machines_are_those_of_the_inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name, value in {"VM_COUNT": "3", "VM_NETWORK": "10.1.2"}.items():
        monkeypatch.setenv(name, value)
    site = inventory.read(ROOT / "inventories" / "vagrant.py")
    wanted = {name: {"hostname": name, "ip": host.address} for name, host in site.hosts.items()}
    assert machines(VM_COUNT="3", VM_NETWORK="10.1.2") == wanted


def test_one_machine_is_the_default() -> None:
    assert list(machines()) == ["lk1"]
