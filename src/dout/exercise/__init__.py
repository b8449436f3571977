"""A class with forward and backward in; an exercise on it, the grade of an answer, and hints, out."""

__all__ = ["answer_rules", "blanks", "exercise_set", "grade", "grading_words", "hints", "sheet"]
