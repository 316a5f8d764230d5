"""What things are: layers and their counts, number formats, links, calibrations."""
