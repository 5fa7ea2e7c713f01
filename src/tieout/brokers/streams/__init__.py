"""What venues tell by themselves: triggers and evidence, never the truth about an account."""
