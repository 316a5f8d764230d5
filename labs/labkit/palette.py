"""The colours of every figure and chart: four of Okabe and Ito's palette for the colour-blind.

Each has a contrast of about 3:1 or more against white and near-black (https://jfly.uni-koeln.de/color/).
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
