"""What is wrong with a site, and why: one row per check, causes told from what merely follows from them.

``procedures/doctor.py`` is the verb. :mod:`client` checks what a client meets, with nothing but URL and key;
:mod:`hosts` judges what a look at each host has found; :mod:`blame` says which failure explains which.
"""
