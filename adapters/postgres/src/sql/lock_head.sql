-- With what tells whether the transaction is still the one that a handler was given. What follows
-- in it is planned as in a session of the store's own.
SELECT position, time, epoch, store_id, current_setting('cqrs_store.handler', true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true),
    set_config('jit', 'off', true)
FROM cqrs.head
WHERE id = 1
FOR UPDATE
