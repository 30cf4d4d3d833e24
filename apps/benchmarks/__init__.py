"""How fast the warehouse is: the same tables made by us and by others, measured side by side in one run.

It stands in orchestration because it runs the pipeline's steps; what others do instead stands in `contenders`.
"""
