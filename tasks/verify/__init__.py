"""What a data root says of itself is held against its bytes: decisions, manifests, shards, and what rows rely on."""
