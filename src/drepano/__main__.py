"""``python -m drepano``"""

from drepano.cli.main import main

if __name__ == "__main__":
    main()
