-- Whether a process attends for a subscription ($1).
SELECT EXISTS (SELECT FROM cqrs.live_workers WHERE $1 = ANY (subscriptions))
