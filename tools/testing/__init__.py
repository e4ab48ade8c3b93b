"""Run the tests of the workspace on one process and under ``mpirun``, with one verdict.

``__main__`` reads the command line, ``job`` runs pytest on N ranks and watches it, ``rank`` starts
pytest on one rank, ``plugin`` makes pytest record what happens, ``records`` reads that back,
``verdict`` judges it (pure functions), ``report`` prints it; ``readme`` runs README blocks.
"""
