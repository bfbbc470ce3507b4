"""The specification: each rule of the product is one test, and its docstring says the rule."""
