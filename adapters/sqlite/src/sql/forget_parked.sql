DELETE FROM parked_keys WHERE subscription = ?1
