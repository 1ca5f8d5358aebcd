"""A simulator process that cannot start."""

import sys

if __name__ == "__main__":
    sys.exit(3)
