"""``python -m cayley_adapters.cli`` is the ``cayley`` command."""

from cayley_adapters.cli import main

if __name__ == "__main__":
    main()
