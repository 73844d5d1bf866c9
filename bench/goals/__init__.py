"""Goals with a figure: what must hold under attack, faults and lack of resources. docs/GOALS.md explains them."""
