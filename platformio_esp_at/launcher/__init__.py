"""How a host's script runs this package: as a child, with packages that are in no Python of the host's."""
