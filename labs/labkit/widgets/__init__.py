"""The widgets: with a kernel, and in the published page without one."""
