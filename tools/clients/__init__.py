"""Programs that nobody here wrote open the exported files: `make clients`."""
