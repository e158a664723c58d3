"""Base against head: what became worse, by how much, and how sure that is."""
