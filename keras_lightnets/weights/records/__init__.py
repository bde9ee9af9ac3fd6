"""What is known of released weights, one file a publisher."""
