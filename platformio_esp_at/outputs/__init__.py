"""What a plan becomes: folders of files, and text for people and build tools."""
