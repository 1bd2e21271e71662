"""``python -m popdetect``."""

import sys

from popdetect.cli import main

if __name__ == "__main__":
    sys.exit(main())
