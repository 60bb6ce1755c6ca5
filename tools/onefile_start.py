"""Where the one-file executable begins: under the name `cl` it is `cl`, else `clsh`."""

import sys
from pathlib import Path

if Path(sys.argv[0]).name == "cl":
    from clsh.cli.main import entry
else:
    from clsh.cli.clsh import entry

sys.exit(entry())
