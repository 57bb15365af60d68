"""Back to certificates of another kind: nothing of ACME stays."""

from __future__ import annotations

import subprocess
import sys

from tests.acme.conftest import Deployed
from tests.acme.test_issue import LAYER
from tests.support.hosts.deploys import deploy
from tests.support.hosts.lab import ROOT


def test_what_got_certificates_is_gone_when_they_come_from_elsewhere(acme: Deployed) -> None:
    said = deploy()
    assert said.status == 0, said.text
    assert "acme: remove ACME" in said.text
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *LAYER], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
