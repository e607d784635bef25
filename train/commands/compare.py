"""stub"""
import argparse
HELP = "stub"
def add_arguments(parser: argparse.ArgumentParser) -> None: ...
def run(args: argparse.Namespace) -> int: return 1
