"""Goals with a figure: what must hold under attack, faults and want. docs/GOALS.md explains them."""
