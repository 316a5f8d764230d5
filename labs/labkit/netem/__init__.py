"""Emulated links: bytes that wait and travel between processes of this computer as they would between computers."""
