"""A plan for test_tree.py: bring the tree that the environment names to every host."""

import os
from pathlib import Path

from pyinfra import host
from pyinfra.operations import python

from livekit_metal.runtime.artifacts import push
from livekit_metal.runtime.artifacts.fetch import Artifact

push.verify = lambda _: None  # here the host's own look at what arrives is tried, with sums that are not the tree's
_path = Path(os.environ["TREE"])
_tree = Artifact(
    component="tree",
    version="1.0.0",
    source="image",
    arch="amd64",
    sha256=os.environ["TREE_SHA256"],
    path=_path,
    size=_path.stat().st_size,
    identity="",
)

python.call(name="bring the tree", function=lambda: push.bring(host, _tree, os.environ["TREE_DIRECTORY"], "program"))
