"""What all telephone providers share: who spoke, what was said, what became of the call. Pure."""
