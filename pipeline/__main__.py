"""`python -m pipeline` is `moodstream`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
