"""The tour of the repository: real data through the packages, every result held against an oracle.

``__main__`` starts ``job`` on a few ranks. ``job`` runs the stages of ``stages.STAGES`` one after
another; ``stage`` is what a stage is. ``data`` names the input files, ``series`` reads them,
``figures`` draws, ``summary`` prints the table and ``report`` writes the page.
"""
