"""Many runs at once: asked in SQL, compacted, published."""
