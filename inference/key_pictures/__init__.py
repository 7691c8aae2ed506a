"""Key pictures: one slice of a series for each finding, with the box of the finding drawn."""
