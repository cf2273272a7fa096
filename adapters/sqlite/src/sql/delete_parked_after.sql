-- The keys of the slices from ?2 to ?3 whose first event is after ?4.
DELETE FROM parked_keys
WHERE subscription = ?1 AND slice BETWEEN ?2 AND ?3 AND position > ?4
