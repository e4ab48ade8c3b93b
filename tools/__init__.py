"""What serves the whole repository; every tool runs as ``python -m tools.<name>`` from its root."""
