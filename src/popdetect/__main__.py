"""``python -m popdetect``, and the installed command: the first to run and the last to be interrupted."""

import sys


def run() -> int:
    """Run the command line; returns its exit code.

    Ctrl-C may come while the first modules are still being loaded, before anything of ours can take it.
    """
    try:
        from popdetect.cli.main import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("popdetect: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(run())
