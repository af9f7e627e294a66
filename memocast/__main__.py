"""`python -m memocast` is `memocast`."""

from memocast.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
