DELETE FROM workers WHERE expires < unixepoch('subsec')
