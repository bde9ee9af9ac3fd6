"""The authors' networks, run with our weights: what the goldens come from."""
