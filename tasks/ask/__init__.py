"""Ask teachers within their limits, and never pay twice."""
