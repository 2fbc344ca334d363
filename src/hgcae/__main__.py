"""`python -m hgcae`: the command line."""

from hgcae.cli import main

if __name__ == "__main__":
    main()
