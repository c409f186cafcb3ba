"""What a post, a score, a bin and an incident are, and the stages between them. No transport, no model, no store."""
