"""Every trace gets a verdict, and every rejection a reason."""
