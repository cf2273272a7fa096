INSERT INTO checkpoints (
    subscription, first_slice, last_slice, epoch, position, last_event, last_event_position,
    halt, halt_reason, halt_since, ahead, divided_by
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
