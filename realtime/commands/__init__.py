"""One module for each command of `kinecast`: HELP, add_arguments(parser) and run(args)."""
