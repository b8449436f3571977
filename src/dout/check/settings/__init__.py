"""A layer that is right so far in; the settings and inputs at which it is wrong out."""

__all__ = ["other_inputs", "other_settings", "settings_sweep"]
