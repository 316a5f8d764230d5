"""The two programs of Lab 4.4: an edge device with a small network, and a cloud with a large one."""
