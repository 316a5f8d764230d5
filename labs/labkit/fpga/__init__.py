"""The circuit of Lab 4.5: written in Amaranth, simulated, and placed on a part. All of it needs the extra `fpga`."""
