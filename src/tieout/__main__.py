from tieout.serve.cli import main
