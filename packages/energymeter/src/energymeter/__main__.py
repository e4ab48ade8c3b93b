"""The command ``energymeter``, also as ``python -m energymeter``."""

import sys

from energymeter.errors import EnergymeterError

OWN_FAILURE = 125


def main() -> None:
    """Run the command; failures of its own have status 125."""
    try:
        if sys.argv[1:2] == ["run"]:
            from energymeter.cli.measure import run_main

            sys.exit(run_main(sys.argv[2:]))
        from energymeter.cli.app import app

        app(prog_name="energymeter")
    except EnergymeterError as error:
        print(f"energymeter: {error}", file=sys.stderr)
        sys.exit(OWN_FAILURE)


if __name__ == "__main__":
    main()
