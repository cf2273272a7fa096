SELECT position FROM parked_keys WHERE subscription = ?1 AND slice = ?2 AND key = ?3
