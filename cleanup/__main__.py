"""`python -m cleanup` is `image-cleanup`."""

from cleanup.cli import main

if __name__ == "__main__":
    main()
