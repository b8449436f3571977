"""A scene in; places out: columns, order, coordinates."""

__all__ = ["arrangement", "column_order", "coordinates", "layout"]
