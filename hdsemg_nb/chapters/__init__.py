"""One module per notebook, named like it: its tables and its figures."""
