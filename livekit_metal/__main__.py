"""``python -m livekit_metal``: the command ``livekit-metal`` where it is not installed."""

import sys

from livekit_metal.cli.main import main

sys.exit(main())
