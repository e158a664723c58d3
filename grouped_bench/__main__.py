"""`python -m grouped_bench` is the command `grouped-bench`, for where no script is on the PATH."""

import sys

from grouped_bench.commands.main import main

if __name__ == "__main__":
    sys.argv[0] = "grouped-bench"  # as a run records its command
    main()
