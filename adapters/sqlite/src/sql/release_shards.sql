UPDATE checkpoints SET owner = NULL WHERE owner = ?1
