"""What goes with a version to those who were not there: Croissant, the EU's question on synthetic data, a signature."""
