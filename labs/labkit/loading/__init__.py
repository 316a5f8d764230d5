"""Data sets as training reads them: samples in four formats, from a folder or over HTTP, loaded by worker processes."""
