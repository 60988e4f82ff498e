"""What this course's notebooks share: data, figures, small algorithms from scratch, and the exercises' checks."""
