"""Check the workspace: style, types, import rules, and the layout that the packages share."""
