"""``python -m heat_core`` is the command ``heat-core``."""

from heat_core.cli import main

if __name__ == "__main__":
    main()
