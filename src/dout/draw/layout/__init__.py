"""A scene in; places out: columns, order, coordinates."""
