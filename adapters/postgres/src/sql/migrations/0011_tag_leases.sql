-- Processes that are in conflict about an aggregate take turns. Each row is a place in the queue for one tag,
-- ordered by `since`, `process`; the first one of a tag is its lease. Nothing but time depends on these rows,
-- so a crash of the server may remove them.
CREATE UNLOGGED TABLE cqrs.tag_leases (
    tag text NOT NULL,
    process uuid NOT NULL,
    since timestamptz NOT NULL,
    lease_time interval NOT NULL,
    until timestamptz,
    latest timestamptz,
    PRIMARY KEY (tag, process)
);

-- The log needs no right to delete, and a role that has none is to go on writing.
GRANT DELETE ON cqrs.tag_leases, cqrs.workers TO PUBLIC;

COMMENT ON COLUMN cqrs.tag_leases.lease_time IS 'how long the lease waits for the first append';
COMMENT ON COLUMN cqrs.tag_leases.until IS 'when the lease ends, unless the process appends; NULL: it has not begun';
COMMENT ON COLUMN cqrs.tag_leases.latest IS 'when it ends in any case; NULL: before the first append';

-- Adds a process to the queues for leases, with the head locked, and finds the requests that other processes
-- keep waiting.
--
-- watched_tags, watching: the request at each place of `watching` depends on events with the tag at the same
-- place of `watched_tags`. NULL stands for all events, for which there are no leases.
-- queueing: requests that have lost against other processes more than once, so their tags get a queue.
-- Other requests join a queue that is there.
-- touched: requests whose tags newer events have.
-- own_time: how long a lease of this process is to wait for the first append, at most a second.
--
-- Returns the requests that are held, whether a lease has begun, and whether this process has one. A
-- request is held if the leases of its tags belong to other processes. If one of them belongs to this process,
-- the one that was queued for first decides, so no two processes wait for each other. Each wait ends with
-- time, also if a process is gone.
CREATE FUNCTION cqrs.lease_tags(
    own uuid, watched_tags text[], watching bigint[], queueing bigint[], touched bigint[],
    own_time interval,
    OUT held bigint[], OUT has_begun boolean, OUT has_lease boolean
) LANGUAGE plpgsql AS $$
DECLARE
    instant timestamptz := clock_timestamp();
BEGIN
    -- The owner need not say so, and can write with a statement that only compares the head.
    UPDATE cqrs.tag_leases AS lease
    SET until = least(lease.latest, instant + interval '20 milliseconds')
    FROM unnest(watched_tags, watching) AS watched (tag, request)
    WHERE watched.request = ANY (touched) AND lease.tag = watched.tag
        AND lease.process <> own AND lease.latest IS NOT NULL;
    -- Those that end too late are from before the clock was set back.
    DELETE FROM cqrs.tag_leases AS lease
    WHERE lease.until <= instant OR lease.until > instant + interval '1 second';
    INSERT INTO cqrs.tag_leases (tag, process, since, lease_time)
    SELECT DISTINCT watched.tag, own, instant, own_time
    FROM unnest(watched_tags, watching) AS watched (tag, request)
    WHERE watched.tag IS NOT NULL
        AND (
            watched.request = ANY (queueing)
            OR EXISTS (
                SELECT 1 FROM cqrs.tag_leases AS other
                WHERE other.tag = watched.tag AND other.process <> own
            )
        )
    ON CONFLICT DO NOTHING;
    WITH begun AS (
        UPDATE cqrs.tag_leases AS lease
        SET until = instant + least(lease.lease_time, interval '1 second')
        WHERE lease.until IS NULL
            AND NOT EXISTS (
                SELECT 1 FROM cqrs.tag_leases AS earlier
                WHERE earlier.tag = lease.tag
                    AND (earlier.since, earlier.process) < (lease.since, lease.process)
            )
        RETURNING lease.tag
    )
    SELECT count(*) > 0 INTO has_begun FROM begun;
    SELECT coalesce(array_agg(waiting.request), '{}')
    INTO held
    FROM (
        SELECT watched.request
        FROM unnest(watched_tags, watching) AS watched (tag, request)
        JOIN cqrs.tag_leases AS lease ON lease.tag = watched.tag AND lease.until IS NOT NULL
        GROUP BY watched.request
        HAVING (array_agg(lease.process ORDER BY lease.since, lease.process))[1] <> own
    ) AS waiting;
    has_lease := EXISTS (
        SELECT 1 FROM cqrs.tag_leases AS lease WHERE lease.process = own AND lease.until IS NOT NULL
    );
END
$$;

-- Called after an append with these tags: leases of the process last until 100 ms after their first append,
-- and end earlier if there are no events with the tag for 20 ms.
CREATE FUNCTION cqrs.use_leases(own uuid, tags text[]) RETURNS void LANGUAGE sql AS $$
    UPDATE cqrs.tag_leases AS lease
    SET latest = coalesce(lease.latest, clock_timestamp() + interval '100 milliseconds'),
        until = least(
            coalesce(lease.latest, clock_timestamp() + interval '100 milliseconds'),
            clock_timestamp() + interval '20 milliseconds'
        )
    WHERE lease.process = own AND lease.until IS NOT NULL AND lease.tag = ANY (tags)
$$;

DROP FUNCTION cqrs.append_at_end(
    bigint, bigint, uuid, uuid, bigint, uuid, bigint[], uuid[], cqrs.events[], cqrs.event_tags[],
    cqrs.commands[], bigint[], text[], bigint[], bigint[], bigint[]
);

-- Appends a batch at the end of the log, wherever that is, for processes that write at the same time. A
-- statement that compares the head wastes the work of a batch if others went on since it was decided.
-- This function leaves out the requests that the newer events may concern, and writes the others.
--
-- known, known_epoch, known_store, known_last: the head that the batch was decided on. If the log is another
-- one, its epoch was raised, it is shorter, it has other events up to there, as far as the head tells, or
-- more than max_tail newer ones, nothing is written, and left_out is NULL.
-- append_id: becomes `head.last`.
-- event_counts, command_ids: the number of events of each request, and the id of its command. Requests
-- are numbered from 1.
-- new_events, new_tags, new_commands: the rows, with the positions that they get if the log ends at
-- `known`. The rows of `type_blocks` follow from the positions that the events do get.
-- command_requests: the request of each of new_commands.
-- watched_tags, watching: a request in `watching` is left out if one of the newer events has the tag at
-- the same place of `watched_tags`. If that is NULL, any event does. Numbers after those of
-- `event_counts` are of requests that the batch refuses: they have no rows, and may be held.
-- process, queueing, lease_time: as in `lease_tags`.
-- following, followed: a request in `following` is left out if the one at the same place of `followed`
-- is. Ordered by `following`, and a request follows only earlier ones.
--
-- A request is also left out if it is held: see `lease_tags`. And if its command was recorded in between
-- under a given id, with or without events: the record of an assigned id is in its events, where no unique
-- index finds a second one (I6).
--
-- If all are left out, nothing is written. Returns the head before the append, the numbers of the requests
-- that were left out and of those that are held, of the newer events, in order, types and tags, as
-- `tail.sql` does, and the given ids of commands that were recorded in between: of those with events, and of
-- those that were sent again.
--
-- The commit does not wait for the disk: the head is locked until then, and every other process waits
-- for that. The caller sends a commit that waits right behind it, and acknowledges nothing before that
-- one is answered (I7).
CREATE FUNCTION cqrs.append_at_end(
    known bigint, known_epoch bigint, known_store uuid, known_last uuid,
    max_tail bigint, append_id uuid,
    event_counts bigint[], command_ids uuid[],
    new_events cqrs.events[], new_tags cqrs.event_tags[],
    new_commands cqrs.commands[], command_requests bigint[],
    watched_tags text[], watching bigint[], following bigint[], followed bigint[],
    process uuid, queueing bigint[], lease_time interval,
    OUT head_position bigint, OUT head_time bigint, OUT head_epoch bigint, OUT head_last uuid,
    OUT left_out bigint[], OUT held bigint[], OUT has_lease boolean,
    OUT tail_types text[], OUT tail_all_tags text[], OUT tail_tags text[], OUT given_ids uuid[]
) LANGUAGE plpgsql AS $$
DECLARE
    -- By the number of an event in the batch: how many events up to there are left out, and whether
    -- this one is. NULL if no request is left out.
    shifts bigint[];
    gaps boolean[];
    shift bigint := 0;
    newer bigint;
    head_store uuid;
    has_leases boolean;
    has_begun boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    -- Read committed: each of the following statements sees the commits that this one has waited for.
    SELECT head.position, head.time, head.epoch, head.last, head.store_id
    INTO head_position, head_time, head_epoch, head_last, head_store
    FROM cqrs.head AS head
    WHERE head.id = 1
    FOR UPDATE;
    newer := head_position - known;
    IF head_store <> known_store OR head_epoch <> known_epoch
        OR newer < 0 OR newer > max_tail OR (newer = 0 AND head_last <> known_last)
    THEN
        RETURN;
    END IF;
    left_out := '{}';
    IF newer > 0 THEN
        SELECT
            array_agg(tail.type), array_agg(tail.all_tags), array_agg(tail.tag),
            array_agg(tail.given) FILTER (WHERE tail.given IS NOT NULL)
        INTO tail_types, tail_all_tags, tail_tags, given_ids
        FROM (
            SELECT
                events.type, events.all_tags, events.tag,
                CASE WHEN events.fingerprint IS NULL THEN events.command END AS given
            FROM cqrs.events AS events
            WHERE events.position > known AND events.position <= head_position
            ORDER BY events.position
        ) AS tail;
        -- The first position of a command without events is the head at that time, perhaps `known` itself.
        given_ids := given_ids || ARRAY(
            SELECT commands.id
            FROM cqrs.commands AS commands
            WHERE commands.resent AND commands.first >= known AND commands.first <= head_position
        );
        SELECT coalesce(array_agg(DISTINCT watch.request), '{}')
        INTO left_out
        FROM (
            SELECT watched.request
            FROM unnest(watched_tags, watching) AS watched (tag, request)
            -- No EXISTS: that may be planned as a scan of all tags, once, while the tables are empty.
            CROSS JOIN LATERAL (
                SELECT 1 WHERE watched.tag IS NULL
                UNION ALL (
                    SELECT 1
                    FROM cqrs.events AS first
                    WHERE first.tag = watched.tag
                        AND first.position + 0 > known
                        AND first.position + 0 <= head_position
                    LIMIT 1
                )
                UNION ALL (
                    SELECT 1
                    FROM cqrs.event_tags AS further
                    WHERE further.tag = watched.tag
                        AND further.position > known
                        AND further.position <= head_position
                    LIMIT 1
                )
            ) AS found
            UNION ALL
            SELECT sent.request
            FROM unnest(command_ids) WITH ORDINALITY AS sent (command, request)
            WHERE sent.command = ANY (given_ids)
        ) AS watch;
    END IF;
    has_leases := queueing <> '{}' OR EXISTS (SELECT 1 FROM cqrs.tag_leases);
    IF has_leases THEN
        SELECT leased.held, leased.has_begun, leased.has_lease
        INTO held, has_begun, has_lease
        FROM cqrs.lease_tags(
            process, watched_tags, watching, queueing, left_out, lease_time
        ) AS leased;
        IF has_begun THEN
            -- A process that compares the head asks nobody for a lease. Now it notices that others write. A
            -- new id: without accepted requests, append_id may be the one that the head has.
            head_last := gen_random_uuid();
            UPDATE cqrs.head SET last = head_last WHERE id = 1;
        END IF;
        left_out := ARRAY(
            SELECT each.request FROM unnest(left_out || held) AS each (request)
            WHERE each.request <= cardinality(event_counts)
            GROUP BY each.request
        );
    END IF;
    IF left_out <> '{}' THEN
        FOR place IN 1 .. cardinality(following) LOOP
            IF followed[place] = ANY (left_out) AND following[place] <> ALL (left_out) THEN
                left_out := left_out || following[place];
            END IF;
        END LOOP;
    END IF;
    IF cardinality(left_out) = cardinality(event_counts) THEN
        RETURN;
    END IF;
    IF left_out <> '{}' THEN
        shifts := '{}';
        FOR request IN 1 .. cardinality(event_counts) LOOP
            FOR number IN 1 .. event_counts[request] LOOP
                shift := shift + (request = ANY (left_out))::int;
                shifts := shifts || shift;
                gaps := gaps || (request = ANY (left_out));
            END LOOP;
        END LOOP;
    END IF;
    WITH added AS (
        INSERT INTO cqrs.events (
            position, id, type, version, all_tags, time, actor, command, correlation, causation, payload,
            tag, fingerprint
        )
        SELECT
            new.position + newer - coalesce(shifts[new.position - known], 0), new.id, new.type,
            new.version, new.all_tags, greatest(new.time, head_time), new.actor, new.command,
            new.correlation, new.causation, new.payload, new.tag, new.fingerprint
        FROM unnest(new_events) AS new
        WHERE gaps IS NULL OR NOT gaps[new.position - known]
        RETURNING position, type, time
    ), added_tags AS (
        INSERT INTO cqrs.event_tags (tag, position)
        SELECT new.tag, new.position + newer - coalesce(shifts[new.position - known], 0)
        FROM unnest(new_tags) AS new
        WHERE gaps IS NULL OR NOT gaps[new.position - known]
    ), added_blocks AS (
        INSERT INTO cqrs.type_blocks (type, block)
        SELECT DISTINCT added.type, (added.position - 1) / 256
        FROM added
        ON CONFLICT DO NOTHING
    ), added_commands AS (
        INSERT INTO cqrs.commands (id, fingerprint, first, count, resent)
        SELECT
            new.id, new.fingerprint,
            -- Of a command without events, this is the head at that time, perhaps `known` itself.
            new.first + newer - coalesce(shifts[new.first - known], 0), new.count,
            new.resent
        FROM unnest(new_commands) WITH ORDINALITY AS new (id, fingerprint, first, count, resent, place)
        WHERE command_requests[new.place] <> ALL (left_out)
    )
    UPDATE cqrs.head
    SET position = head_position + cardinality(new_events) - shift,
        time = greatest(head_time, (SELECT max(added.time) FROM added)),
        last = append_id,
        durable = false
    WHERE id = 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the head was not set' USING ERRCODE = 'serialization_failure';
    END IF;
    IF has_leases THEN
        PERFORM cqrs.use_leases(process, ARRAY(
            SELECT watched.tag
            FROM unnest(watched_tags, watching) AS watched (tag, request)
            WHERE watched.request <= cardinality(event_counts) AND watched.request <> ALL (left_out)
        ));
    END IF;
END
$$;
