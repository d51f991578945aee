"""The guide: which technique helps where; GUIDE.md and the report's section are made of it."""
