"""What a site *is*: pure data and decisions. Nothing here imports pyinfra or opens a connection.

errors -> fields -> ports -> releases, generations, secrets -> site -> inventory (each may use those before it).
"""
