-- Stored states, each with whether all of the snapshot is durable.
SELECT wanted.place, states.body, states.position, head.durable OR cqrs.is_flushed() AS is_durable
FROM cqrs.head AS head, unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (aggregate, id, place)
JOIN cqrs.states AS states ON states.aggregate = wanted.aggregate AND states.id = wanted.id
WHERE head.id = 1
