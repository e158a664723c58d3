"""What runs differ in besides what they measured: facts, machines, environments."""
