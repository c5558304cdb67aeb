"""One job each, for every front end: package, flash, verify, inspect, look up."""
