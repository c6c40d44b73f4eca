"""`vda`, and `python -m vda_assets.cli`: loads the command line, which takes a moment in which Ctrl-C is fine too."""

import sys


def main() -> None:
    try:
        from vda_assets.cli.main import main as command_line
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)
    command_line()


if __name__ == "__main__":
    main()
