"""`tieout doctor`: what is seen of each account, what is to be mended of it, and how it is told."""
