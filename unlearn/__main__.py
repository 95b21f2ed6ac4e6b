"""`python -m unlearn`: the command `unlearn` where the package is not installed."""

import sys

from unlearn.certification.command_line import main

sys.exit(main())
