"""A server that answers pictures over HTTP: what Lab 3.3 puts under load, and what Ray Serve deploys."""
