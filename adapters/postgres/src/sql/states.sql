SELECT wanted.place, states.body, states.position
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (aggregate, id, place)
JOIN cqrs.states AS states ON states.aggregate = wanted.aggregate AND states.id = wanted.id
