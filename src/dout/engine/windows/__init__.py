"""A graph in; the graph whose loops and index arrays over windows are single steps out. One module a pass."""

__all__ = [
    "borders", "einsum_products", "fold_forms", "fold_products", "index_windows", "join_places", "patch_costs",
    "patch_products", "reads_of_fills", "spread_extremes", "window_extremes",
]  # fmt: skip
