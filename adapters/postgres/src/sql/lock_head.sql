-- Locks and returns the head. The setting `cqrs_store.handler` ends with the transaction that a
-- handler was given, so it tells whether the handler has ended that. The other settings are those
-- of the store's own sessions.
SELECT position, time, epoch, store_id, last, current_setting('cqrs_store.handler', true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true),
    set_config('jit', 'off', true),
    set_config('idle_in_transaction_session_timeout', '5s', true)
FROM cqrs.head
WHERE id = 1
FOR UPDATE
