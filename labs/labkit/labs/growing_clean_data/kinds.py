"""The names of what can be wrong with pictures that somebody delivers."""

RANDOM, CAUSE, TWICE = "labels wrong at random", "labels wrong for one cause", "pictures sent twice"
LEAK, CUT, ROWS, BLUE = "pictures of the test", "cut to size", "rows taken for channels", "blue for red"
KINDS = (RANDOM, CAUSE, TWICE, LEAK, CUT, ROWS, BLUE)
