//! Secondary kinds, under caps and budgets.
