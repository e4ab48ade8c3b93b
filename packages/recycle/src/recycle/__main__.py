"""``recycle``, or ``python -m recycle``: forecasts from files."""

from __future__ import annotations

import logging
import sys

from recycle.errors import DataError, ModelFileError

__all__ = ["main"]


def main() -> None:
    """Run the command line: 0 is success, 2 wrong usage, 3 bad data, 4 a bad model file."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        from recycle.cli import app
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        raise SystemExit(_fail("the command line needs: pip install 'recycle[cli]'", 2)) from None
    try:
        app(prog_name="recycle")
    except DataError as error:
        raise SystemExit(_fail(error, 3)) from None
    except ModelFileError as error:
        raise SystemExit(_fail(error, 4)) from None
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        raise SystemExit(_fail(error, 2)) from None


def _fail(error: object, status: int) -> int:
    print(f"recycle: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    main()
