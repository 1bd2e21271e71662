"""``python -m popdetect`` and the installed command: run the command line, and report Ctrl-C during its import."""

import sys


def run() -> int:
    """Run the command line.

    Ctrl-C can come while the first modules are imported, before `popdetect.cli.main` can handle it.

    Returns
    -------
    int
        Exit code.
    """
    try:
        from popdetect.cli.main import main

        return main()
    except KeyboardInterrupt:
        sys.stderr.write("popdetect: interrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(run())
