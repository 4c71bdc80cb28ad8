"""What tests of the command line share."""

from typer.testing import CliRunner

from symgd import cli


def run(*arguments, stdin=None):
    """Run the command in this process, with the arguments as main() prepares them."""
    prepared = cli.prepared(list(arguments))
    return CliRunner().invoke(cli.app, prepared, input=stdin)
