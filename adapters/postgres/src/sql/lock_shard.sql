-- An advisory lock, because a new subscription has no checkpoint row that could be locked. It is held while
-- handlers work. If the process stands still, the server ends the transaction after as much time as a
-- statement has, and another process takes its place.
SELECT
    pg_advisory_xact_lock($1),
    set_config('idle_in_transaction_session_timeout', current_setting('statement_timeout'), true)
