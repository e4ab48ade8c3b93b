"""``python -m energymeter`` is the command ``energymeter``."""

from energymeter.cli.app import main

if __name__ == "__main__":
    main()
