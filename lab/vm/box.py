"""The Vagrant box: a base image of the lab with a kernel, kept in the user's cache directory beside the images.

It is named by the hash of all that went into it, built as ``….partial`` and renamed when complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

from lab.images import arch as architectures
from lab.images import build
from lab.places import images
from lab.run import LabError, lock, run, run_logged, step, write
from lab.vm.places import SIZE

_HERE = Path(__file__).parent
RECIPE, DISK = _HERE / "recipe.sh", _HERE / "disk.sh"
_BOX_MEGABYTES = 4000  # while it is built; about 600 when complete
_INSECURE_KEY = "*/gems/vagrant-*/keys/vagrant.pub"  # known to everybody, replaced at the first login
_REMEDY = "see why; then run the same command again"


def box_id(image: str, *inputs: str) -> str:
    """The same inputs give the same name, anything else another."""
    return f"{image}-vm-{hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]}"


def metadata() -> str:
    """What vagrant-libvirt reads of a box."""
    return json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": SIZE}) + "\n"


def ensure(release: str, arch: str) -> Path:
    """A complete box file; made now (two minutes, and the base image) when the cache has none."""
    base = build.ensure(release, arch)
    key = _insecure_key()
    home = images().with_name("boxes")
    box = home / f"{box_id(base.name, RECIPE.read_text(), DISK.read_text(), metadata(), key)}.box"
    if box.exists():
        return box
    home.mkdir(parents=True, exist_ok=True)
    with lock(home / ".lock", "the boxes"):
        if not box.exists():
            build.need_space(home, _BOX_MEGABYTES, "the box")
            architectures.ensure(arch)
            with step(f"Vagrant box {box.stem}, once, about two minutes"):
                _build(box, base, arch, key)
    return box


def _insecure_key() -> str:
    gems = Path("/usr/share/rubygems-integration")
    found = next(gems.glob(_INSECURE_KEY), None)
    if found is None:
        raise LabError(gems, "Debian's vagrant has no key there", "install Debian's package vagrant")
    return found.read_text().strip()


def _build(box: Path, base: Path, arch: str, key: str) -> None:
    partial, log = box.with_suffix(".partial"), box.with_suffix(".log")
    if partial.exists():
        shutil.rmtree(partial)
    log.unlink(missing_ok=True)
    partial.mkdir()
    tree = partial / "tree"
    run("cp", "--archive", "--reflink=auto", base, tree)
    build.reach_the_archive(tree)
    build.inside(tree, RECIPE, log, _REMEDY, key)
    build.forget_the_archive(tree)
    run_logged(DISK.name, [*build.APART, "sh", DISK, tree, arch, str(SIZE), partial], log, _REMEDY)
    write(partial / "metadata.json", metadata())
    new = partial / "new.box"
    with tarfile.open(new, "w") as archive:  # not packed: the disk is copied into place at each `vagrant box add`
        for name in ("metadata.json", "box.img"):
            archive.add(partial / name, name)
    os.rename(new, box)  # noqa: PTH104 - across directories, over what another run may have made
    shutil.rmtree(partial)
