"""What goes, what stays, and why: pure functions from images, policy and users to decisions."""
