-- `append_at_end` with one more parameter, `new_types`, and with less work per call. A process of an earlier version
-- that is running goes on with the function that has none: both do the same, each with the head locked.
--
-- known, known_epoch, known_store, known_last: the head that the batch was decided on. If the log is another
-- one, its epoch was raised, it is shorter, it has other events up to there, as far as the head tells, or
-- more than max_tail newer ones, nothing is written, and left_out is NULL.
-- append_id: becomes `head.last`.
-- event_counts, command_ids: the number of events of each request, and the id of its command. Requests
-- are numbered from 1.
-- new_events, new_tags, new_commands: the rows, with the positions that they get if the log ends at
-- `known`, in that order, and with times that do not decrease. The rows of `type_blocks` follow from the positions
-- that the events do get.
-- new_types: each type of new_events once.
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
-- that were left out and of those that are held, and the given ids of commands that were recorded in between: of
-- those with events, and of those that were sent again.
--
-- Also returns the types of the newer events, in order, and their tags, each with U+001F between two of them: as
-- arrays, they would take the server four times as long. The caller counts them, and reads the events again if one
-- has that character in it. An empty tag stands for the next one of tail_lists, the tags of the event as a JSON array.
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
    process uuid, queueing bigint[], lease_time interval, new_types text[],
    OUT head_position bigint, OUT head_time bigint, OUT head_epoch bigint, OUT head_last uuid,
    OUT left_out bigint[], OUT held bigint[], OUT has_lease boolean,
    OUT tail_types text, OUT tail_tags text, OUT tail_lists text[], OUT given_ids uuid[]
) LANGUAGE plpgsql AS $$
DECLARE
    -- By the number of an event in the batch: how many events up to there are left out, and whether
    -- this one is.
    shifts bigint[] := '{}';
    gaps boolean[] := '{}';
    shift bigint := 0;
    newer bigint;
    new_position bigint;
    head_store uuid;
    touched text[];
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
        -- A subquery that depends on no other is hashed, whatever joins the session allows, in an expression. As a
        -- condition of its own it would be a join: so IS TRUE below.
        SELECT
            string_agg(tail.type, E'\x1F'), string_agg(tail.tag, E'\x1F'),
            array_agg(coalesce(tail.all_tags, CASE WHEN tail.is_tagged THEN '[""]' ELSE '[]' END))
                FILTER (WHERE tail.tag = ''),
            array_agg(tail.command) FILTER (WHERE tail.fingerprint IS NULL) || ARRAY(
                -- The first position of a command without events is the head at that time, perhaps `known`
                -- itself.
                SELECT commands.id
                FROM cqrs.commands AS commands
                WHERE commands.resent AND commands.first >= known AND commands.first <= head_position
            ),
            array_agg(tail.tag) FILTER (WHERE tail.tag IN (SELECT unnest(watched_tags)))
        INTO tail_types, tail_tags, tail_lists, given_ids, touched
        FROM (
            SELECT
                events.type, events.all_tags, events.tag IS NOT NULL AS is_tagged, events.command,
                events.fingerprint,
                CASE WHEN events.all_tags IS NULL THEN coalesce(events.tag, '') ELSE '' END AS tag
            FROM cqrs.events AS events
            WHERE events.position > known AND events.position <= head_position
            ORDER BY events.position
        ) AS tail;
        IF tail_lists <> '{}' THEN
            touched := touched || ARRAY(
                SELECT listed.tag
                FROM unnest(tail_lists) AS list (tags), json_array_elements_text(list.tags::json) AS listed (tag)
                WHERE (listed.tag IN (SELECT unnest(watched_tags))) IS TRUE
            );
        END IF;
        IF touched <> '{}' OR array_position(watched_tags, NULL) IS NOT NULL THEN
            left_out := ARRAY(
                SELECT watched.request
                FROM unnest(watched_tags, watching) AS watched (tag, request)
                WHERE watched.tag IS NULL OR watched.tag IN (SELECT unnest(touched))
            );
        END IF;
        IF given_ids <> '{}' THEN
            left_out := left_out || ARRAY(
                SELECT sent.request
                FROM unnest(command_ids) WITH ORDINALITY AS sent (command, request)
                WHERE (sent.command IN (SELECT unnest(given_ids))) IS TRUE
            );
        END IF;
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
        left_out := left_out || held;
    END IF;
    IF left_out <> '{}' THEN
        left_out := ARRAY(
            SELECT DISTINCT each.request
            FROM unnest(left_out) AS each (request)
            WHERE each.request <= cardinality(event_counts)
        );
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
        FOR request IN 1 .. cardinality(event_counts) LOOP
            FOR number IN 1 .. event_counts[request] LOOP
                shift := shift + (request = ANY (left_out))::int;
                shifts := shifts || shift;
                gaps := gaps || (request = ANY (left_out));
            END LOOP;
        END LOOP;
        new_events := ARRAY(
            SELECT ROW(
                new.position - shifts[new.position - known], new.id, new.type, new.version, new.all_tags,
                new.time, new.actor, new.command, new.correlation, new.causation, new.payload, new.tag,
                new.fingerprint
            )::cqrs.events
            FROM unnest(new_events) AS new
            WHERE NOT gaps[new.position - known]
        );
        new_tags := ARRAY(
            SELECT ROW(new.tag, new.position - shifts[new.position - known])::cqrs.event_tags
            FROM unnest(new_tags) AS new
            WHERE NOT gaps[new.position - known]
        );
        new_commands := ARRAY(
            SELECT ROW(
                new.id, new.fingerprint,
                -- Of a command without events, this is the head at that time, perhaps `known` itself.
                new.first - coalesce(shifts[new.first - known], 0), new.count, new.resent
            )::cqrs.commands
            FROM unnest(new_commands) WITH ORDINALITY AS new (id, fingerprint, first, count, resent, place)
            WHERE command_requests[new.place] <> ALL (left_out)
        );
        new_types := ARRAY(SELECT DISTINCT new.type FROM unnest(new_events) AS new);
    END IF;
    new_position := head_position + cardinality(new_events);
    -- A statement for each table that gets rows: an insert costs time even without rows.
    IF new_position > head_position THEN
        INSERT INTO cqrs.events (
            position, id, type, version, all_tags, time, actor, command, correlation, causation, payload,
            tag, fingerprint
        )
        SELECT
            new.position + newer, new.id, new.type, new.version, new.all_tags,
            greatest(new.time, head_time), new.actor, new.command, new.correlation, new.causation,
            new.payload, new.tag, new.fingerprint
        FROM unnest(new_events) AS new;
        IF head_position / 256 = (new_position - 1) / 256 THEN
            INSERT INTO cqrs.type_blocks (type, block)
            SELECT new.type, head_position / 256
            FROM unnest(new_types) AS new (type)
            ON CONFLICT DO NOTHING;
        ELSE
            INSERT INTO cqrs.type_blocks (type, block)
            SELECT DISTINCT new.type, (new.position + newer - 1) / 256
            FROM unnest(new_events) AS new
            ON CONFLICT DO NOTHING;
        END IF;
    END IF;
    IF new_tags <> '{}' THEN
        INSERT INTO cqrs.event_tags (tag, position)
        SELECT new.tag, new.position + newer
        FROM unnest(new_tags) AS new;
    END IF;
    IF new_commands <> '{}' THEN
        INSERT INTO cqrs.commands (id, fingerprint, first, count, resent)
        SELECT new.id, new.fingerprint, new.first + newer, new.count, new.resent
        FROM unnest(new_commands) AS new;
    END IF;
    UPDATE cqrs.head
    SET position = new_position,
        time = greatest(head_time, (new_events[cardinality(new_events)]).time),
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
