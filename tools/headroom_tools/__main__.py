"""`python3 -m headroom_tools`: what tools/headroom starts."""

import sys

from headroom_tools.cli.main import main

sys.exit(main())
