"""What pytest does not collect here: scripts that record what peers compute, and need the peers."""

collect_ignore_glob = ["record_*.py"]
