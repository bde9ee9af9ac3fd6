"""Images and labels: where they come from, how they are changed, and the input pipeline."""
